import fc from 'fast-check'
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { H } from './header-names.ts'
import { parseSip } from './parse.ts'
import { requestText } from './testing.ts'

const VIA = 'Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-1'
const COMMON = [VIA, 'From: <sip:a@b>;tag=1', 'To: <sip:c@d>', 'Call-ID: 1', 'CSeq: 1 OPTIONS']

function message(start: string, lines: readonly string[] = COMMON, body = ''): string {
  return [start, ...lines].join('\r\n') + '\r\n\r\n' + body
}

const OPTIONS = 'OPTIONS sip:c@d SIP/2.0'

describe('a message', () => {
  test('is a request when its version comes last, a response when it comes first', () => {
    expect(parseSip(message(OPTIONS))).toMatchObject({
      ok: true,
      message: { method: 'OPTIONS', uri: 'sip:c@d' },
    })
    expect(parseSip(message('SIP/2.0 200 Very OK'))).toMatchObject({
      ok: true,
      message: { status: 200, reason: 'Very OK' },
    })
    expect(parseSip(message('SIP/2.0 200'))).toMatchObject({ ok: true, message: { status: 200, reason: '' } })
  })

  test('may have empty lines before it (RFC 3261 §7.5)', () => {
    expect(parseSip(`\r\n\r\n${message(OPTIONS)}`).ok).toBe(true)
  })

  test('ends in a datagram where Content-Length says, or with the datagram', () => {
    const cut = parseSip(message(OPTIONS, [...COMMON, 'Content-Length: 2'], 'body'))
    const whole = parseSip(message(OPTIONS, COMMON, 'body'))

    expect(cut.ok && cut.message.body).toBe('bo')
    expect(whole.ok && whole.message.body).toBe('body')
  })

  test('need not have Max-Forwards', () => {
    expect(parseSip(message(OPTIONS)).ok).toBe(true)
    expect(parseSip(message(OPTIONS, [...COMMON, 'Max-Forwards: 255'])).ok).toBe(true)
  })

  test('has its header names in any form', () => {
    const parsed = parseSip(
      message(OPTIONS, ['v: SIP/2.0/UDP h', 'F\t: <sip:a@b>', 'tO: <sip:c@d>', 'i: 1', 'cseq: 1 OPTIONS']),
    )

    expect(parsed.ok && parsed.message.headers.get(H.From)).toBe('<sip:a@b>')
  })
})

const without = (name: string) => COMMON.filter(line => !line.startsWith(name))

describe('a request is refused', () => {
  test.each<[why: string, text: string]>([
    ['Header line has no proper end', OPTIONS + '\r\n' + COMMON.join('\r\n') + '\r\n'],
    [
      'Header line has no proper end',
      message(OPTIONS, [...COMMON, 'Subject: x\nP-Asserted-Identity: <sip:boss@example.com>']),
    ],
    [
      'Header line has no proper end',
      message(OPTIONS, [...COMMON, 'Subject: x\rRoute: <sip:evil.example.org;lr>']),
    ],
    ['Header line has no name', message(OPTIONS, [...COMMON, 'no colon here'])],
    ['Header line has no name', message(OPTIONS, [...COMMON, ': empty'])],
    ['Header name is not a token', message(OPTIONS, [' : first line is a fold', ...COMMON])],
    ['Header name is not a token', message(OPTIONS, [...COMMON, 'two words: x'])],
    ['Too many header lines', message(OPTIONS, [...COMMON, ...new Array<string>(512).fill('X: y')])],
    ['Start line has no end', 'OPTIONS'],
    ['Start line has no end', ''],
    ['Request line has no method', message('')],
    ['Request line has no method', message('OPTIONS')],
    ['Request line has no method', message('OPT(IONS sip:c@d SIP/2.0')],
    ['Request line has no URI', message('OPTIONS SIP/2.0')],
    ['Request line has another version', message('OPTIONS sip:c@d')],
    ['Request line has another version', message('OPTIONS sip:c@d HTTP/1.1')],
    ['Request-URI has a character that must be escaped', message('OPTIONS  sip:c@d SIP/2.0')],
    ['Request-URI has a character that must be escaped', message('OPTIONS <sip:c@d> SIP/2.0')],
    ['Request-URI has a character that must be escaped', message('OPTIONS sip:\xe9@d SIP/2.0')],
    ['Request-URI has no scheme', message('OPTIONS bob SIP/2.0')],
    ['From is missing', message(OPTIONS, without('From'))],
    ['To is missing', message(OPTIONS, without('To'))],
    ['Call-ID is missing', message(OPTIONS, without('Call-ID'))],
    ['CSeq is missing', message(OPTIONS, without('CSeq'))],
    ['To is given twice', message(OPTIONS, [...COMMON, 't: <sip:x@y>'])],
    ['Call-ID is empty', message(OPTIONS, [...without('Call-ID'), 'Call-ID:'])],
    ['CSeq is malformed', message(OPTIONS, [...without('CSeq'), 'CSeq: OPTIONS'])],
    ['From is malformed', message(OPTIONS, [...without('From'), 'From: <sip:a@b'])],
    ['To is malformed', message(OPTIONS, [...without('To'), 'To: "open <sip:a@b>'])],
    ['CSeq names another method', message('INVITE sip:c@d SIP/2.0')],
    ['Max-Forwards is given twice', message(OPTIONS, [...COMMON, 'Max-Forwards: 1', 'Max-Forwards: 1'])],
    ['Max-Forwards is not a number up to 255', message(OPTIONS, [...COMMON, 'Max-Forwards: 256'])],
    ['Content-Length is given twice', message(OPTIONS, [...COMMON, 'l: 0', 'Content-Length: 0'])],
    ['Content-Length is not a number', message(OPTIONS, [...COMMON, 'Content-Length: -1'])],
    ['Content-Length is larger than the message', message(OPTIONS, [...COMMON, 'Content-Length: 5'], 'body')],
  ])('%s (%#)', (why, text) => {
    expect(parseSip(text)).toMatchObject({ ok: false, why, status: 400 })
  })

  test('with 505 when it is of another version of SIP', () => {
    expect(parseSip(message('OPTIONS sip:c@d SIP/3.0'))).toMatchObject({ ok: false, status: 505 })
    expect(parseSip(message('OPTIONS sip:c@d SIP/2.0.1'))).toMatchObject({ ok: false, status: 400 })
  })

  test('with an answer if there is a Via to send it along, and it is no ACK', () => {
    const failureOf = (text: string) => {
      const parsed = parseSip(text)
      return parsed.ok ? undefined : parsed.answerable?.branch
    }

    expect(failureOf(message(OPTIONS, without('From')))).toBe('z9hG4bK-1')
    expect(failureOf(message(OPTIONS, without('Via')))).toBeUndefined()
    expect(failureOf(message(OPTIONS, ['Via: nonsense', ...without('Via')]))).toBeUndefined()
    expect(failureOf(message('ACK sip:c@d SIP/2.0'))).toBeUndefined()
  })
})

describe('a response is refused', () => {
  test.each([
    'SIP/1.0 200 OK',
    'SIP/2.0 99 Low',
    'SIP/2.0 099 Low',
    'SIP/2.0 700 High',
    'SIP/2.0 2e2 OK',
    'SIP/2.0 2000 OK',
    'SIP/2.0 20',
    'SIP/2.0  200 OK',
  ])('%s', start => {
    expect(parseSip(message(start))).toMatchObject({ ok: false })
    expect(parseSip(message(start))).not.toHaveProperty('answerable')
  })

  test.each(['From', 'To', 'Call-ID', 'CSeq', 'Via'])('without %s', name => {
    expect(parseSip(message('SIP/2.0 200 OK', without(name)))).toMatchObject({ ok: false })
  })
})

// Properties

const token = fc.stringMatching(/^[A-Za-z0-9.!%*_+`'~-]{2,12}$/)
const text = fc.stringMatching(/^[!-~\x80-\xff]([ -~\x80-\xff]{0,20}[!-~\x80-\xff])?$/)
const unknown = fc
  .tuple(token, fc.constantFrom(':', ' : ', ':\t'), text, fc.option(text, { nil: undefined }))
  .map(
    ([name, colon, value, fold]) => `X-${name}${colon}${value}${fold === undefined ? '' : `\r\n \t${fold}`}`,
  )
const common = fc
  .tuple(
    fc.constantFrom('Via: ', 'v:', 'VIA :  '),
    fc.constantFrom('From: ', 'f:', 'from: '),
    fc.constantFrom('To: ', 't : '),
    fc.constantFrom('Call-ID: ', 'i: '),
    fc.constantFrom('CSeq: ', 'CSEQ:\r\n '),
    fc.constantFrom('Content-Length: ', 'l:'),
  )
  .map(([via, from, to, callId, cseq, length]) => (method: string, body: string) => [
    `${via}SIP/2.0/TCP h:5070;branch=z9hG4bK-1,\r\n SIP/2.0/UDP low`,
    `${from}"A \\" b" <sip:a@b;x=y>;tag=1`,
    `${to}sip:c@d`,
    `${callId}1@h`,
    `${cseq}0042 ${method}`,
    `${length}${body.length}`,
  ])
const start = fc.oneof(
  token.map(method => [method, `${method} sip:c@d;p=%20 SIP/2.0`] as const),
  fc
    .tuple(token, fc.integer({ min: 100, max: 699 }), text)
    .map(([method, status, reason]) => [method, `SIP/2.0 ${status} ${reason}`] as const),
)

test('format after parse gives the same octets', () => {
  fc.assert(
    fc.property(
      start,
      common,
      fc.array(unknown, { maxLength: 6 }),
      fc.string({ unit: fc.nat(255).map(code => String.fromCharCode(code)) }),
      fc.infiniteStream(fc.nat()),
      ([method, startLine], linesFor, others, body, random) => {
        const lines = linesFor(method, body)
        for (const other of others) lines.splice(Number(random.next().value) % (lines.length + 1), 0, other)
        const wire = message(startLine, lines, body)

        const parsed = parseSip(wire)

        expect(parsed.ok ? parsed.message.format() : parsed.why).toBe(wire)
      },
    ),
  )
})

const TORTURE = new URL('../../test/conformance/', import.meta.url)
const corpus = [
  requestText({
    headers: ['Route: <sip:a;lr>, <sip:b;lr>', 'Subject: x', ' y', 'Max-Forwards: 70'],
    body: 'v=0',
  }),
  ...['rfc4475', 'rfc5118'].flatMap(folder =>
    readdirSync(new URL(`${folder}/`, TORTURE), { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile())
      .map(entry => readFileSync(`${entry.parentPath}/${entry.name}`, 'latin1')),
  ),
]

test('no octets make the parser throw, and what it takes it can write and take again', () => {
  const change = fc.record({
    at: fc.nat(),
    drop: fc.nat(3),
    put: fc.oneof(
      fc.constantFrom('\r\n', '\r\n ', '\r', '\n', ':', ',', '"', '<', '>', ';', '\0', '\xff', ' SIP/2.0'),
      fc.string({ maxLength: 4 }),
    ),
  })
  fc.assert(
    fc.property(fc.constantFrom(...corpus), fc.array(change, { maxLength: 6 }), (original, changes) => {
      let wire = original
      for (const { at, drop, put } of changes) {
        const from = at % (wire.length + 1)
        wire = wire.slice(0, from) + put + wire.slice(from + drop)
      }
      const parsed = parseSip(wire)
      if (!parsed.ok) return
      const again = parseSip(parsed.message.format())
      expect(again.ok && again.message.format()).toBe(parsed.message.format())
    }),
    { numRuns: 2000 },
  )
})
