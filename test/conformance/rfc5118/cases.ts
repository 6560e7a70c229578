import type { TortureCase } from '../torture.ts'

/*
 * The messages of RFC 5118, in its order. Three of them (§4.6, §4.8, §4.9) have a Content-Length in the RFC that is
 * not the length of the body beside it; here it is, since the length is not what they are about.
 */

const file = (name: string): string => `rfc5118/${name}.dat`

export const RFC5118_CASES: readonly TortureCase[] = [
  {
    file: file('ipv6-good'),
    section: '4.1',
    title: 'Valid SIP Message with an IPv6 Reference',
    start: 'request',
    parse: 'message',
    expect: ['handled'],
    reason: 'An IPv6 address in brackets is a host wherever a host may stand.',
  },
  {
    file: file('ipv6-bad'),
    section: '4.2',
    title: 'Invalid SIP Message with an IPv6 Reference',
    start: 'request',
    parse: 'message',
    expect: [400],
    reason:
      'Without brackets the first colon of the address begins a port. (The Request-URI is read after parsing.)',
  },
  {
    file: file('port-ambiguous'),
    section: '4.3',
    title: 'Port Ambiguous in a SIP URI',
    start: 'request',
    parse: 'message',
    expect: ['handled'],
    reason:
      'All between the brackets is the address. The sender may have meant a port, but has not written one.',
  },
  {
    file: file('port-unambiguous'),
    section: '4.4',
    title: 'Port Unambiguous in a SIP URI',
    start: 'request',
    parse: 'message',
    expect: ['handled'],
    reason: 'The port follows the closing bracket.',
  },
  {
    file: file('via-received-param-with-delim'),
    section: '4.5',
    title: 'IPv6 Reference Delimiters in Via Header: received in Brackets',
    start: 'request',
    parse: 'message',
    expect: ['handled'],
    reason: 'The grammar has the address of `received` bare, but many write brackets; both are read.',
  },
  {
    file: file('via-received-param-no-delim'),
    section: '4.5',
    title: 'IPv6 Reference Delimiters in Via Header: received without Brackets',
    start: 'request',
    parse: 'message',
    expect: ['handled'],
    reason: 'The form that the grammar asks for.',
  },
  {
    file: file('ipv6-in-sdp'),
    section: '4.6',
    title: 'SIP Request with IPv6 Addresses in Session Description Protocol (SDP) Body',
    start: 'request',
    parse: 'message',
    expect: ['handled'],
    reason: 'Addresses in a body are the endpoints’ matter, and have no brackets in SDP.',
  },
  {
    file: file('mult-ip-in-header'),
    section: '4.7',
    title: 'Multiple IP Addresses in SIP Headers',
    start: 'request',
    parse: 'message',
    expect: ['handled'],
    reason: 'A request may have come over IPv4 and IPv6 in turn; each Via stands for itself.',
  },
  {
    file: file('mult-ip-in-sdp'),
    section: '4.8',
    title: 'Multiple IP Addresses in SDP',
    start: 'request',
    parse: 'message',
    expect: ['handled'],
    reason: 'Each stream of a session may have an address of another family.',
  },
  {
    file: file('ipv4-mapped-ipv6'),
    section: '4.9',
    title: 'IPv4-Mapped IPv6 Addresses',
    start: 'request',
    parse: 'message',
    expect: ['handled'],
    reason: 'An IPv6 address may end in dotted decimals.',
  },
  {
    file: file('ipv6-bug-abnf-3-colons'),
    section: '4.10',
    title: 'IPv6 Reference Bug in RFC 3261 ABNF: Three Colons',
    start: 'request',
    parse: 'message',
    expect: ['handled', 400],
    reason:
      'The grammar of RFC 3261 allowed three colons before dotted decimals by mistake (corrected in RFC 5954). It is ' +
      'passed on by those who route by something else; as an address it leads nowhere.',
  },
  {
    file: file('ipv6-correct-abnf-2-colons'),
    section: '4.10',
    title: 'IPv6 Reference Bug in RFC 3261 ABNF: Two Colons',
    start: 'request',
    parse: 'message',
    expect: ['handled'],
    reason: 'The same address as it should be written.',
  },
]
