import type { FramingFault } from './flow.ts'

const NAME = /\r\n(?:content-length|l)[ \t]*:/gi
const DIGITS = /^[0-9]+$/

/**
 * The Content-Length of a header part, compact and folded forms included (RFC 3261 §7.3.1, §20.14).
 *
 * Several equal ones count as one. Several different ones, a sign, a list or a blank are faults: two parsers could cut
 * such a stream in two ways, which is how requests are smuggled.
 *
 * @param head start line and headers up to and with the blank line
 */
export function contentLengthOf(head: string): number | FramingFault {
  let length: number | undefined
  NAME.lastIndex = 0
  while (NAME.test(head)) {
    const value = fieldValue(head, NAME.lastIndex)
    if (!DIGITS.test(value)) return 'bad-content-length'
    const octets = Number(value)
    if (length !== undefined && length !== octets) return 'bad-content-length'
    length = octets
  }
  return length ?? 'no-content-length'
}

function fieldValue(head: string, from: number): string {
  let end = head.indexOf('\r\n', from)
  // A line that begins with white space continues the one before.
  while (end !== -1 && (head[end + 2] === ' ' || head[end + 2] === '\t')) end = head.indexOf('\r\n', end + 2)
  return head.slice(from, end === -1 ? head.length : end).trim()
}
