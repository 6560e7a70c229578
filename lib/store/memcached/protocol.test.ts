import { describe, expect, test } from 'vitest'
import { formatGet, formatSet, numberOf, ReplyReader, type Reply } from './protocol.ts'

/** What a reader makes of a stream that comes in pieces of this size. */
function replies(stream: string | Buffer, size: number): Reply[] {
  const octets = Buffer.from(stream)
  const reader = new ReplyReader()
  const found: Reply[] = []
  for (let at = 0; at < octets.length; at += size)
    reader.push(octets.subarray(at, at + size), reply => found.push(reply))
  return found
}

describe('the meta protocol', () => {
  test('requests are written as memcached reads them', () => {
    expect(formatGet('reg\\\\a')).toBe('mg reg\\\\a v f c t\r\n')
    expect(formatSet('k', 3, { when: 'always', flags: 7, ttl: 60 })).toBe('ms k 3 c F7 T60\r\n')
    expect(formatSet('k', 0, { when: 'absent', flags: 7, ttl: 60 })).toBe('ms k 0 c F7 T60 ME\r\n')
    expect(formatSet('k', 0, { when: { cas: 12 }, flags: 7, ttl: -1 })).toBe('ms k 0 c F7 T-1 C12\r\n')
  })

  test('replies are found however the stream is cut', () => {
    const value = 'VA 5\r\nHD\r\n'
    const stream = `HD c5\r\nVA ${value.length} f1 c2 t-1\r\n${value}\r\nEN\r\nVA 0 c9\r\n\r\nNS\r\n`
    const expected = [
      { status: 'HD', words: ['c5'] },
      { status: 'VA', words: ['f1', 'c2', 't-1'], value },
      { status: 'EN', words: [] },
      { status: 'VA', words: ['c9'], value: '' },
      { status: 'NS', words: [] },
    ]

    for (let size = 1; size <= stream.length; size++) {
      const found = replies(stream, size).map(each =>
        each.value === undefined ? each : { ...each, value: each.value.toString() },
      )
      expect(found).toEqual(expected)
    }
  })

  test.each([
    ['another protocol', 'SSH-2.0-OpenSSH\r\n'],
    ['binary', Buffer.from([0x81, 0, 0, 0, 10])],
    ['an endless line', 'HD '.padEnd(4000, 'x')],
    ['a size that is none', 'VA many c1\r\n'],
    ['a size below zero', 'VA -1 c1\r\n'],
    ['a size beyond all reason', 'VA 99999999999 c1\r\n'],
    ['a value that does not end', 'VA 2 c1\r\nabcdef\r\n'],
    ['an empty line', '\r\n'],
  ])('%s is refused', (_, stream) => {
    expect(() => replies(Buffer.concat([Buffer.from(stream), Buffer.from('\r\nEN\r\n')]), 7)).toThrow(
      'its answer',
    )
  })

  test('whatever comes, it ends in replies or one error', () => {
    const pieces = ['HD', 'VA', ' ', '3', 'c1', '\r', '\n', '\r\n', 'abc', '\0', '-', 'EN\r\n', 'ERROR']
    let seed = 1
    const next = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below
    for (let round = 0; round < 3000; round++) {
      const stream = Array.from({ length: 1 + next(12) }, () => pieces[next(pieces.length)]).join('')
      try {
        for (const { status } of replies(stream, 1 + next(5))) expect(status).toMatch(/^[A-Z_]+$/)
      } catch (error) {
        expect(String(error)).toContain('its answer')
      }
    }
  })

  test('numbers are told by their letter', () => {
    const reply = { status: 'HD', words: ['c17', 't-1', 'f', 'sx'] }
    expect(numberOf(reply, 'c')).toBe(17)
    expect(numberOf(reply, 't')).toBe(-1)
    expect(numberOf(reply, 'f')).toBeUndefined()
    expect(numberOf(reply, 's')).toBeUndefined()
    expect(numberOf(reply, 'k')).toBeUndefined()
  })
})
