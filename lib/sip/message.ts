import { H } from './header-names.ts'
import type { Headers, HeaderEdit } from './headers.ts'
import { topOfList } from './list.ts'
import { parseNameAddr, type NameAddr } from './name-addr.ts'
import { param } from './params.ts'
import { reasonPhrase } from './reasons.ts'
import { parseUri, type Uri } from './uri.ts'
import { branchOf, parseVia, type Via } from './via.ts'
import { parseCSeq, type CSeq } from './values.ts'

/**
 * A SIP message as a value: each step of a function makes a new one and leaves the old one alone.
 *
 * All text is latin1, one character an octet: bodies and UTF-8 values are decoded where they are read, if ever.
 * What is derived from a header (`topVia`, tags, `cseq`) is computed once, when first asked for.
 */
export type SipMessage = SipRequest | SipResponse

abstract class Message {
  readonly headers: Headers
  readonly body: string

  constructor(headers: Headers, body: string) {
    this.headers = headers
    this.body = body
  }

  /** The topmost Via; undefined if there is none or it is malformed. */
  get topVia(): Via | undefined {
    return this.headers.parsed(H.Via, parseTopVia)
  }

  get branch(): string | undefined {
    const via = this.topVia
    return via === undefined ? undefined : branchOf(via)
  }

  get cseq(): CSeq | undefined {
    return this.headers.parsed(H.CSeq, parseCSeq)
  }

  get callId(): string {
    return this.headers.get(H['Call-ID']) ?? ''
  }

  get from(): NameAddr | undefined {
    return this.headers.parsed(H.From, parseNameAddr)
  }

  get to(): NameAddr | undefined {
    return this.headers.parsed(H.To, parseNameAddr)
  }

  get fromTag(): string | undefined {
    return tagOf(this.from)
  }

  get toTag(): string | undefined {
    return tagOf(this.to)
  }

  protected formatAfter(startLine: string): string {
    const lacksLength = !this.headers.has(H['Content-Length'])
    // A stream needs the length (RFC 3261 §18.3); a datagram may lack it, and then gets it on its way.
    const added = lacksLength ? `Content-Length: ${this.body.length}\r\n\r\n` : '\r\n'
    const text = startLine + this.headers.format() + added + this.body
    // Reading a character makes one flat text of the pieces; a rope would hold on to every message they are cut from.
    return text.charCodeAt(0) > 0 ? text : ''
  }
}

/** A hop that a request has made inside the process, and those before it. */
export interface InsideHop {
  /** sent-by of the function that sent it, `host:port`. */
  readonly as: string
  /** How many such hops there are, this one included. */
  readonly count: number
  readonly before: InsideHop | undefined
}

export class SipRequest extends Message {
  readonly kind = 'request' as const
  readonly method: string
  /** The Request-URI as text. */
  readonly uri: string
  /** Hops inside the process, whose Vias are not among the headers yet. */
  readonly inside: InsideHop | undefined
  #parsedUri: Uri | undefined

  constructor(method: string, uri: string, headers: Headers, body = '', inside?: InsideHop) {
    super(headers, body)
    this.method = method
    this.uri = uri
    this.inside = inside
  }

  get parsedUri(): Uri | undefined {
    return (this.#parsedUri ??= parseUri(this.uri))
  }

  /** True outside a dialog: no To tag. */
  get isInitial(): boolean {
    return this.toTag === undefined
  }

  with(headers: Headers, uri: string = this.uri): SipRequest {
    const next = new SipRequest(this.method, uri, headers, this.body, this.inside)
    if (uri === this.uri) next.#parsedUri = this.#parsedUri
    return next
  }

  /** The same request after one more hop inside the process. */
  handedOn(as: string): SipRequest {
    const before = this.inside
    const hop = { as, count: (before?.count ?? 0) + 1, before }
    const next = new SipRequest(this.method, this.uri, this.headers, this.body, hop)
    next.#parsedUri = this.#parsedUri
    return next
  }

  /** The request with headers that tell of all its hops. */
  outside(headers: Headers): SipRequest {
    return new SipRequest(this.method, this.uri, headers, this.body)
  }

  format(): string {
    return this.formatAfter(this.method + ' ' + this.uri + ' SIP/2.0\r\n')
  }
}

export class SipResponse extends Message {
  readonly kind = 'response' as const
  readonly status: number
  readonly reason: string

  constructor(status: number, reason: string, headers: Headers, body = '') {
    super(headers, body)
    this.status = status
    this.reason = reason
  }

  with(headers: Headers): SipResponse {
    return new SipResponse(this.status, this.reason, headers, this.body)
  }

  format(): string {
    return this.formatAfter(`SIP/2.0 ${this.status} ${this.reason}\r\n`)
  }
}

const COPIED = [H.Via, H.From, H.To, H['Call-ID'], H.CSeq]
const COPIED_INTO_100 = [...COPIED, H.Timestamp]
const COPIED_INTO_DIALOG = [...COPIED, H['Record-Route']]

export interface ResponseOptions {
  readonly reason?: string
  /** Put on the To header if the request had none; not used for 100. */
  readonly toTag?: string
  /** Further headers. */
  readonly edit?: (headers: HeaderEdit) => void
  readonly body?: string
}

/** A response to a request, with what RFC 3261 §8.2.6 copies from it. */
export function responseTo(request: SipRequest, status: number, options: ResponseOptions = {}): SipResponse {
  const copied = status === 100 ? COPIED_INTO_100 : status < 300 && status > 100 ? COPIED_INTO_DIALOG : COPIED
  const edit = request.headers.pick(copied)
  const to = request.headers.get(H.To)
  if (status !== 100 && options.toTag !== undefined && to !== undefined && request.toTag === undefined) {
    edit.set(H.To, `${to};tag=${options.toTag}`)
  }
  options.edit?.(edit)
  const body = options.body ?? ''
  edit.set(H['Content-Length'], String(body.length))
  return new SipResponse(status, options.reason ?? reasonPhrase(status), edit.done(), body)
}

function tagOf(address: NameAddr | undefined): string | undefined {
  return address === undefined ? undefined : param(address.params, 'tag')
}

function parseTopVia(value: string): Via | undefined {
  return parseVia(topOfList(value))
}
