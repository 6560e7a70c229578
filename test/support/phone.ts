import { createHash, randomBytes } from 'node:crypto'
import {
  isRequest,
  methodOf,
  readSip,
  statusOf,
  valueOf,
  valuesOf,
  writeSip,
  type SipText,
} from './sip-text.ts'
import { waitUntil } from './wait.ts'
import type { Wire } from './wire.ts'

export interface PhoneIdentity {
  readonly user: string
  readonly domain: string
  readonly password: string
}

type Headers = readonly (readonly [name: string, value: string | readonly string[]])[]

export interface RequestOptions {
  readonly headers?: Headers
  readonly body?: string
  readonly callId?: string
  readonly cseq?: number
  readonly fromTag?: string
  readonly to?: string
  readonly branch?: string
}

/** What a phone knows of a call in progress: enough to send a request inside it. */
export interface Dialog {
  readonly callId: string
  readonly local: string
  readonly remote: string
  readonly target: string
  readonly routes: readonly string[]
}

/**
 * A phone whose every header the test decides: it sends what it is told and shows what came in.
 *
 * It does no retransmission (loopback does not lose); repeated copies of what it has already seen are dropped,
 * and answered again if they were answered.
 */
export class Phone implements AsyncDisposable {
  readonly identity: PhoneIdentity
  readonly wire: Wire
  readonly received: SipText[] = []
  readonly #seen = new Map<string, string | undefined>()
  readonly #taken = new Set<SipText>()
  readonly #standingAnswers = new Map<string, number>()
  #cseq = 0

  constructor(identity: PhoneIdentity, wire: Wire) {
    this.identity = identity
    this.wire = wire
    wire.onMessage(raw => {
      if (raw.trim() === '') return
      const message = readSip(raw)
      const key = repetitionKey(message)
      if (this.#seen.has(key)) {
        const answer = this.#seen.get(key)
        if (answer !== undefined) wire.send(answer)
        return
      }
      this.#seen.set(key, undefined)
      this.received.push(message)
      const standing = isRequest(message) ? this.#standingAnswers.get(methodOf(message)) : undefined
      if (standing !== undefined) this.reply(message, standing)
    })
  }

  get aor(): string {
    return `sip:${this.identity.user}@${this.identity.domain}`
  }

  get contact(): string {
    const { token, local } = this.wire
    return `<sip:${this.identity.user}@${local};transport=${token.toLowerCase()}>`
  }

  /** Sends a request and returns it as sent; the answer is taken with {@link response}. */
  send(method: string, uri: string, options: RequestOptions = {}): SipText {
    const { headers = [], body = '', callId = token(), fromTag = token(), to = `<${uri}>` } = options
    const cseq = options.cseq ?? ++this.#cseq
    const branch = options.branch ?? `z9hG4bK${token()}`
    const given = new Set(headers.map(([name]) => name.toLowerCase()))
    const usual: Headers = [
      ['Via', `SIP/2.0/${this.wire.token} ${this.wire.local};branch=${branch};rport`],
      ['Max-Forwards', '70'],
      ['From', `<${this.aor}>;tag=${fromTag}`],
      ['To', to],
      ['Call-ID', callId],
      ['CSeq', `${cseq} ${method}`],
      ['Contact', this.contact],
    ]
    const kept = usual.filter(([name]) => !given.has(name.toLowerCase()))
    const text = writeSip(`${method} ${uri} SIP/2.0`, [...kept, ...headers], body)
    this.wire.send(text)
    return readSip(text)
  }

  /** Waits for a response to `request`: the final one, or the one with the status asked for. */
  async response(request: SipText, status?: number): Promise<SipText> {
    const cseq = valueOf(request, 'cseq')
    const callId = valueOf(request, 'call-id')
    const wanted = (message: SipText): boolean =>
      !isRequest(message) &&
      valueOf(message, 'call-id') === callId &&
      valueOf(message, 'cseq') === cseq &&
      (status === undefined ? statusOf(message) >= 200 : statusOf(message) === status)
    return await this.#take(`${status ?? 'a final response'} to ${request.startLine}`, wanted)
  }

  /**
   * Waits for a request of this method to arrive.
   *
   * @param sent only this one as it was sent, or the ACK of it: Call-ID and CSeq come through all but a B2BUA
   */
  async request(method: string, sent?: SipText): Promise<SipText> {
    const isSent = (message: SipText): boolean =>
      sent === undefined ||
      (valueOf(message, 'call-id') === valueOf(sent, 'call-id') && numberOf(message) === numberOf(sent))
    return await this.#take(
      method,
      message => isRequest(message) && methodOf(message) === method && isSent(message),
    )
  }

  /** From now on answers every request of this method with `status`, at once. */
  answerAll(method: string, status: number): void {
    this.#standingAnswers.set(method, status)
  }

  /** Answers a request that came in. The To tag is the same for every answer inside one call. */
  reply(request: SipText, status: number, options: { headers?: Headers; body?: string } = {}): SipText {
    const to = valueOf(request, 'to')
    const tag = createHash('md5')
      .update(valueOf(request, 'call-id') + this.wire.local)
      .digest('hex')
      .slice(0, 8)
    const tagged = status > 100 && !/;\s*tag=/i.test(to) ? `${to};tag=${tag}` : to
    const given = new Set((options.headers ?? []).map(([name]) => name.toLowerCase()))
    const usual: Headers = [
      ['Via', valuesOf(request, 'via')],
      ['Record-Route', valuesOf(request, 'record-route')],
      ['From', valueOf(request, 'from')],
      ['To', tagged],
      ['Call-ID', valueOf(request, 'call-id')],
      ['CSeq', valueOf(request, 'cseq')],
      ['Contact', this.contact],
    ]
    const headers = [...usual.filter(([name]) => !given.has(name.toLowerCase())), ...(options.headers ?? [])]
    const text = writeSip(`SIP/2.0 ${status} ${REASONS[status] ?? 'Answer'}`, headers, options.body)
    this.#seen.set(repetitionKey(request), text)
    this.wire.send(text)
    return readSip(text)
  }

  /**
   * Registers, answering the challenge. Returns the last response, whatever it is.
   *
   * Without a Contact it only asks what is registered (RFC 3261 §10.2.3).
   */
  async register(options: { expires?: number; contact?: string; password?: string } = {}): Promise<SipText> {
    const { expires = 300, contact = this.contact, password } = options
    return await this.authenticated('REGISTER', `sip:${this.identity.domain}`, {
      to: `<${this.aor}>`,
      headers: [
        ['Contact', contact === 'none' ? [] : contact],
        ['Expires', `${expires}`],
        ['Supported', 'path, outbound'],
      ],
      ...(password === undefined ? {} : { password }),
    })
  }

  /** Sends a request; when it is challenged, sends it again with credentials. */
  async authenticated(
    method: string,
    uri: string,
    options: RequestOptions & { readonly password?: string },
  ): Promise<SipText> {
    const dialog = { callId: token(), fromTag: token() }
    const first = await this.response(this.send(method, uri, { ...dialog, ...options }))
    if (statusOf(first) !== 401) return first
    const challenge = valueOf(first, 'www-authenticate')
    const credentials = this.credentials(challenge, { method, uri, ...options })
    const headers: Headers = [...(options.headers ?? []), ['Authorization', credentials]]
    return await this.response(this.send(method, uri, { ...dialog, ...options, headers }))
  }

  /** The Authorization value that answers a challenge with MD5 or SHA-256 (RFC 7616 §3.4). */
  credentials(challenge: string, request: { method: string; uri: string; password?: string }): string {
    const realm = quoted(challenge, 'realm')
    const nonce = quoted(challenge, 'nonce')
    const algorithm = /algorithm="?([\w-]+)"?/i.exec(challenge)?.[1] ?? 'MD5'
    const hash = (text: string): string =>
      createHash(algorithm.toUpperCase() === 'SHA-256' ? 'sha256' : 'md5')
        .update(text)
        .digest('hex')
    const username = `${this.identity.user}@${this.identity.domain}`
    const ha1 = hash(`${username}:${realm}:${request.password ?? this.identity.password}`)
    const cnonce = token()
    const response = hash(
      `${ha1}:${nonce}:00000001:${cnonce}:auth:${hash(`${request.method}:${request.uri}`)}`,
    )
    const opaque = quoted(challenge, 'opaque')
    const fields = [
      `username="${username}"`,
      `realm="${realm}"`,
      `nonce="${nonce}"`,
      `uri="${request.uri}"`,
      `response="${response}"`,
      `algorithm=${algorithm}`,
      `qop=auth, nc=00000001, cnonce="${cnonce}"`,
      ...(opaque === '' ? [] : [`opaque="${opaque}"`]),
    ]
    return `Digest ${fields.join(', ')}`
  }

  /** Sends INVITE with a small SDP offer. */
  invite(uri: string, options: RequestOptions = {}): SipText {
    const headers: Headers = [['Content-Type', 'application/sdp'], ...(options.headers ?? [])]
    return this.send('INVITE', uri, { body: sdp(this.wire.local), ...options, headers })
  }

  /** Acknowledges the final answer to an INVITE: inside the dialog for 2xx, hop by hop otherwise. */
  ack(invite: SipText, final: SipText): void {
    const [cseq = '1'] = valueOf(invite, 'cseq').split(' ')
    if (statusOf(final) < 300) {
      this.inDialog('ACK', dialogOfCaller(invite, final), { cseq: Number(cseq) })
      return
    }
    const headers: Headers = [
      ['Via', valueOf(invite, 'via')],
      ['Max-Forwards', '70'],
      ['Route', valuesOf(invite, 'route')],
      ['From', valueOf(invite, 'from')],
      ['To', valueOf(final, 'to')],
      ['Call-ID', valueOf(invite, 'call-id')],
      ['CSeq', `${cseq} ACK`],
    ]
    this.wire.send(writeSip(invite.startLine.replace('INVITE', 'ACK'), headers))
  }

  /** Cancels an INVITE that is still ringing; the returned request is the CANCEL. */
  cancel(invite: SipText, options: Pick<RequestOptions, 'headers'> = {}): SipText {
    const [cseq = '1'] = valueOf(invite, 'cseq').split(' ')
    const headers: Headers = [
      ['Via', valueOf(invite, 'via')],
      ['Max-Forwards', '70'],
      ['From', valueOf(invite, 'from')],
      ['To', valueOf(invite, 'to')],
      ['Call-ID', valueOf(invite, 'call-id')],
      ['CSeq', `${cseq} CANCEL`],
      ...(options.headers ?? []),
    ]
    const text = writeSip(invite.startLine.replace('INVITE', 'CANCEL'), headers)
    this.wire.send(text)
    return readSip(text)
  }

  /** Sends a request inside a call. */
  inDialog(method: string, dialog: Dialog, options: RequestOptions = {}): SipText {
    const headers: Headers = [
      ['Route', dialog.routes],
      ['From', dialog.local],
      ['To', dialog.remote],
      ...(options.headers ?? []),
    ]
    return this.send(method, dialog.target, { ...options, callId: dialog.callId, headers })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.wire[Symbol.asyncDispose]()
  }

  async #take(what: string, wanted: (message: SipText) => boolean): Promise<SipText> {
    try {
      const found = await waitUntil(`${this.identity.user} to get ${what}`, () =>
        this.received.find(message => !this.#taken.has(message) && wanted(message)),
      )
      this.#taken.add(found)
      return found
    } catch (error) {
      const got = this.received.map(message => message.startLine).join('; ')
      throw new Error(`${(error as Error).message} (it got: ${got || 'nothing'})`, { cause: error })
    }
  }
}

/** The call as the one who sent the INVITE sees it after a 2xx. */
export function dialogOfCaller(invite: SipText, answer: SipText): Dialog {
  return {
    callId: valueOf(invite, 'call-id'),
    local: valueOf(invite, 'from'),
    remote: valueOf(answer, 'to'),
    target: uriIn(valueOf(answer, 'contact')),
    routes: routeSet(answer).reverse(),
  }
}

/** The call as the one who answered the INVITE sees it. */
export function dialogOfCallee(invite: SipText, answer: SipText): Dialog {
  return {
    callId: valueOf(invite, 'call-id'),
    local: valueOf(answer, 'to'),
    remote: valueOf(invite, 'from'),
    target: uriIn(valueOf(invite, 'contact')),
    routes: routeSet(invite),
  }
}

/** A small audio offer or answer. */
export function sdp(local: string): string {
  const port = 40_000 + (Number(local.split(':')[1] ?? 0) % 10_000)
  const lines = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0']
  return [...lines, `m=audio ${port} RTP/AVP 8`, 'a=rtpmap:8 PCMA/8000', ''].join('\r\n')
}

const REASONS: Readonly<Record<number, string>> = {
  100: 'Trying',
  180: 'Ringing',
  200: 'OK',
  486: 'Busy Here',
  487: 'Request Terminated',
  603: 'Decline',
}

/** The number in a CSeq. */
function numberOf(message: SipText): string | undefined {
  return valueOf(message, 'cseq').split(' ')[0]
}

function routeSet(message: SipText): string[] {
  return valuesOf(message, 'record-route').flatMap(line => line.split(/\s*,\s*(?=<)/))
}

function uriIn(nameAddr: string): string {
  return /<([^>]*)>/.exec(nameAddr)?.[1] ?? nameAddr.split(';')[0] ?? ''
}

function quoted(header: string, name: string): string {
  return new RegExp(`${name}="([^"]*)"`, 'i').exec(header)?.[1] ?? ''
}

function repetitionKey(message: SipText): string {
  const [via = ''] = valuesOf(message, 'via')
  const branch = /;branch=([^;,\s]*)/.exec(via)?.[1] ?? message.raw
  const toTag = isRequest(message) ? '' : valueOf(message, 'to')
  return [message.startLine, branch, valueOf(message, 'cseq'), toTag].join('|')
}

function token(): string {
  return randomBytes(8).toString('hex')
}
