import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type FramerSink, StreamFramer } from './framer.ts'
import { request } from './testing.ts'

/** All that a framer tells of these pieces, in order. */
function told(pieces: readonly Buffer[], limit?: number): string[] {
  const events: string[] = []
  const sink: FramerSink = {
    message: text => events.push(`message ${text}`),
    ping: () => events.push('ping'),
    malformed: (fault, head) => events.push(`${fault} ${head}`),
  }
  const framer = new StreamFramer(sink, limit)
  for (const piece of pieces) framer.push(piece)
  return events
}

const octets = (text: string): Buffer => Buffer.from(text, 'latin1')
const NO_LENGTH = 'OPTIONS sip:a SIP/2.0\r\nTo: x\r\n\r\n'
const FOLDED = 'INVITE sip:a SIP/2.0\r\nl\t:\r\n 4\r\n\r\n\r\n\r\n'
const STREAM = `\r\n${request(5)}\r\n\r\n\r\n${request()}${FOLDED}\r\n\r\n\xe9${request(2, 'Subject: \xff\r\n')}`
const STREAM_TOLD = [
  `message ${request(5)}`,
  'ping',
  `message ${request()}`,
  `message ${FOLDED}`,
  'ping',
  `message \xe9${request(2, 'Subject: \xff\r\n')}`,
]

describe('messages in a stream', () => {
  test('several in one piece are told apart', () => {
    expect(told([octets(STREAM)])).toEqual(STREAM_TOLD)
  })

  test('a cut at any octet changes nothing', () => {
    for (let at = 0; at <= STREAM.length; at++) {
      expect(told([octets(STREAM.slice(0, at)), octets(STREAM.slice(at))])).toEqual(STREAM_TOLD)
    }
  })

  test('neither do cuts between all octets', () => {
    expect(told(Array.from(octets(STREAM), octet => Buffer.of(octet)))).toEqual(STREAM_TOLD)
  })

  test('any octets in any pieces say the same as in one', () => {
    const part = fc.oneof(
      { weight: 4, arbitrary: fc.nat(40).map(n => request(n)) },
      fc.constantFrom('\r\n', '\r\n\r\n', '\r', '\n', FOLDED, NO_LENGTH, request(200)),
      fc.string({ unit: 'binary', maxLength: 12 }).filter(text => /^[\0-\xff]*$/.test(text)),
    )
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 60 })),
        (parts, sizes) => {
          const whole = octets(parts.join(''))
          const pieces: Buffer[] = []
          let at = 0
          for (const size of sizes) pieces.push(whole.subarray(at, (at += size)))
          pieces.push(whole.subarray(at))
          expect(told(pieces, 150)).toEqual(told([whole], 150))
        },
      ),
    )
  })

  test('what follows a fault is not taken', () => {
    expect(told([octets(request() + NO_LENGTH + request()), octets(request())])).toEqual([
      `message ${request()}`,
      `no-content-length ${NO_LENGTH}`,
    ])
  })

  test('a sink that stops the framer gets nothing more from the same piece', () => {
    const texts: string[] = []
    const framer = new StreamFramer({
      message: text => {
        texts.push(text)
        framer.stop()
      },
      ping: () => undefined,
      malformed: () => undefined,
    })
    framer.push(octets(request() + request()))
    expect(texts).toHaveLength(1)
  })
})

describe('bounds of a message', () => {
  const full = 65_536 - request(60_000).length + 60_000

  test('65,536 octets are taken and one more is not, however it arrives', () => {
    expect(told([octets(request(full))])).toHaveLength(1)
    const tooLarge = request(full + 1)
    const expected = [`too-large ${tooLarge.slice(0, tooLarge.indexOf('\r\n\r\n') + 4)}`]
    expect(told([octets(tooLarge)])).toEqual(expected)
    expect(told([octets(tooLarge.slice(0, 100)), octets(tooLarge.slice(100))])).toEqual(expected)
  })

  test('a declared length beyond all numbers is refused before its body comes', () => {
    const head = `OPTIONS sip:a SIP/2.0\r\nl: ${'9'.repeat(1000)}\r\n\r\n`
    expect(told([octets(head)])).toEqual([`too-large ${head}`])
  })

  test('a header part without end is refused, octet by octet or at once', () => {
    const endless = Buffer.alloc(65_537, 'a')
    expect(told([endless])).toEqual(['too-large '])
    expect(told(Array.from(endless, octet => Buffer.of(octet)))).toEqual(['too-large '])
  })

  test('nothing is held between messages, and at most twice the limit and a piece within one', () => {
    const framer = new StreamFramer({
      message: () => undefined,
      ping: () => undefined,
      malformed: () => undefined,
    })
    const text = octets(request(full))
    let most = 0
    for (const octet of text) {
      framer.push(Buffer.of(octet))
      most = Math.max(most, framer.heldOctets)
    }
    expect(most).toBeLessThanOrEqual(2 * 65_536)
    expect(framer.incomplete).toBe(false)
    expect(framer.heldOctets).toBe(0)
  })
})
