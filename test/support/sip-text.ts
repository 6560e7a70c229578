/**
 * SIP messages as a judge sees them: read leniently and on their own terms.
 *
 * The parser of the product is not used here, so that a fault in it cannot hide itself.
 */
export interface SipText {
  readonly startLine: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
  readonly raw: string
}

const COMPACT_FORMS: Readonly<Record<string, string>> = {
  v: 'via',
  f: 'from',
  t: 'to',
  i: 'call-id',
  m: 'contact',
  l: 'content-length',
  c: 'content-type',
  k: 'supported',
  e: 'content-encoding',
  s: 'subject',
}

/** Cuts a message into start line, headers and body; anything that is not SIP gives empty parts. */
export function readSip(raw: string): SipText {
  const end = raw.indexOf('\r\n\r\n')
  const head = end < 0 ? raw : raw.slice(0, end)
  const [startLine = '', ...lines] = head.replace(/\r\n[ \t]+/g, ' ').split('\r\n')
  const headers = lines.map(line => {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).trim().toLowerCase()
    return [COMPACT_FORMS[name] ?? name, line.slice(colon + 1).trim()] as const
  })
  return { startLine, headers, body: end < 0 ? '' : raw.slice(end + 4), raw }
}

/** All values of a header, one a line as received. */
export function valuesOf(message: SipText, name: string): string[] {
  return message.headers.filter(([have]) => have === name.toLowerCase()).map(([, value]) => value)
}

/** The first value of a header, or the empty string. */
export function valueOf(message: SipText, name: string): string {
  return valuesOf(message, name)[0] ?? ''
}

/** Status code of a response; 0 for a request. */
export function statusOf(message: SipText): number {
  return Number(/^SIP\/2\.0 (\d{3}) /.exec(message.startLine)?.[1] ?? 0)
}

/** Method of a request, or of the request a response answers. */
export function methodOf(message: SipText): string {
  const cseqMethod = valueOf(message, 'cseq').split(/\s+/)[1] ?? ''
  return statusOf(message) > 0 ? cseqMethod : (message.startLine.split(' ')[0] ?? '')
}

export function isRequest(message: SipText): boolean {
  return statusOf(message) === 0
}

/** Start line, headers in order (a value list gives one line each) and body, with the right Content-Length. */
export function writeSip(
  startLine: string,
  headers: readonly (readonly [name: string, value: string | readonly string[]])[],
  body = '',
): string {
  const lines = headers.flatMap(([name, value]) => [value].flat().map(one => `${name}: ${one}`))
  const length = Buffer.byteLength(body, 'latin1')
  return [startLine, ...lines, `Content-Length: ${length}`, '', body].join('\r\n')
}
