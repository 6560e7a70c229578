import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { H, headerIdAt, isListHeader, nameOf, type HeaderId } from './header-names.ts'

const known = (Object.keys(H) as (keyof typeof H)[]).filter(name => name !== 'Other')

function idOf(name: string): HeaderId {
  return headerIdAt(name, 0, name.length)
}

describe('a header name', () => {
  test.each(known)('%s has a number of its own, in any case, and gets its spelling back', name => {
    expect(idOf(name)).toBe(H[name])
    expect(idOf(name.toUpperCase())).toBe(H[name])
    expect(idOf(name.toLowerCase())).toBe(H[name])
    expect(nameOf(H[name])).toBe(name)
    expect(H[name]).not.toBe(H.Other)
  })

  test('numbers are given once', () => {
    expect(new Set(known.map(name => H[name])).size).toBe(known.length)
  })

  // RFC 3261 §20, 3515, 3841, 3892, 4028, 6665, 8224.
  test.each([
    ['a', 'Accept-Contact'],
    ['b', 'Referred-By'],
    ['c', 'Content-Type'],
    ['d', 'Request-Disposition'],
    ['e', 'Content-Encoding'],
    ['f', 'From'],
    ['i', 'Call-ID'],
    ['j', 'Reject-Contact'],
    ['k', 'Supported'],
    ['l', 'Content-Length'],
    ['m', 'Contact'],
    ['o', 'Event'],
    ['r', 'Refer-To'],
    ['s', 'Subject'],
    ['t', 'To'],
    ['u', 'Allow-Events'],
    ['v', 'Via'],
    ['x', 'Session-Expires'],
    ['y', 'Identity'],
  ] as const)('%s is short for %s', (letter, name) => {
    expect(idOf(letter)).toBe(H[name])
    expect(idOf(letter.toUpperCase())).toBe(H[name])
  })

  test.each(['', 'n', 'z', '1', 'X-Unknown', 'Viaa', 'Vi', 'Call_ID', 'Call-IÄ', 'Fr\0m'])(
    '%j is unknown',
    name => {
      expect(idOf(name)).toBe(H.Other)
    },
  )

  test('is read where it stands in a longer text', () => {
    expect(headerIdAt('xxCall-ID: 1', 2, 9)).toBe(H['Call-ID'])
  })

  test('no other text is taken for a known one', () => {
    const names = new Set(known.map(name => name.toLowerCase()))
    fc.assert(
      fc.property(fc.string({ minLength: 2, maxLength: 24 }), name => {
        fc.pre(!names.has(name.toLowerCase()))
        expect(idOf(name)).toBe(H.Other)
      }),
    )
  })
})

test('values are cut at commas only where the field is a list (RFC 3261 §7.3.1)', () => {
  for (const name of ['Via', 'Route', 'Contact', 'Path', 'P-Asserted-Identity', 'Reason'] as const) {
    expect(isListHeader(H[name]), name).toBe(true)
  }
  for (const name of [
    'Date',
    'Subject',
    'Authorization',
    'WWW-Authenticate',
    'From',
    'Call-ID',
    'Other',
  ] as const) {
    expect(isListHeader(H[name]), name).toBe(false)
  }
})
