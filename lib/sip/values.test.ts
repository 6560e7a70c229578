import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { reasonPhrase } from './reasons.ts'
import {
  formatCSeq,
  isSipDate,
  isToken,
  MAX_DELTA_SECONDS,
  parseContact,
  parseContentLength,
  parseCSeq,
  parseDeltaSeconds,
  parseEvent,
  parseMaxForwards,
  parseQ,
  parseRetryAfter,
  parseTokens,
} from './values.ts'

describe('CSeq', () => {
  test('number and method, leading zeros and folds apart', () => {
    expect(parseCSeq('0009\r\n  INVITE')).toEqual({ number: 9, method: 'INVITE' })
    expect(parseCSeq("139122385 !interesting-Method0123456789_*+`.%indeed'~")?.number).toBe(139122385)
    expect(parseCSeq('2147483647 BYE')?.number).toBe(2147483647)
  })

  test.each([
    '',
    '1',
    'INVITE',
    '1INVITE',
    '-1 INVITE',
    '2147483648 BYE',
    '36893488147419103232 REGISTER',
    '1 IN VITE',
  ])('%j is refused', text => {
    expect(parseCSeq(text)).toBeUndefined()
  })

  test('parse after format gives it again', () => {
    const any = fc.record({ number: fc.nat(2 ** 31 - 1), method: fc.constantFrom('INVITE', "x-!%*_+`'~") })
    fc.assert(
      fc.property(any, cseq => {
        expect(parseCSeq(formatCSeq(cseq))).toEqual(cseq)
      }),
    )
  })
})

describe('numbers', () => {
  test('Max-Forwards ends at 255', () => {
    expect(['0068', '0', ' 255 ', '256', '300', '-1', '', '7x'].map(parseMaxForwards)).toEqual([
      68,
      0,
      255,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  test('Content-Length is not negative, not signed, not endless', () => {
    expect(['0', '9999', '-999', '+1', '1 2', '9'.repeat(40)].map(parseContentLength)).toEqual([
      0,
      9999,
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  test('seconds above the largest become the largest', () => {
    expect(
      ['3600', '4294967295', '4294967296', '1' + '0'.repeat(40), '', '-1', '1.5'].map(parseDeltaSeconds),
    ).toEqual([
      3600,
      MAX_DELTA_SECONDS,
      MAX_DELTA_SECONDS,
      MAX_DELTA_SECONDS,
      undefined,
      undefined,
      undefined,
    ])
  })

  test('q has at most three decimals and is at most 1', () => {
    expect(['0', '1', '0.', '0.5', '0.333', '1.000'].map(parseQ)).toEqual([0, 1, 0, 0.5, 0.333, 1])
    for (const bad of ['', '.5', '2', '1.1', '0.1234', '0,5', '-0', '0.x', '1.0000']) {
      expect(parseQ(bad)).toBeUndefined()
    }
  })
})

describe('lists, contacts, events', () => {
  test('option tags are tokens', () => {
    expect(parseTokens('100rel, timer ,path')).toEqual(['100rel', 'timer', 'path'])
    expect(parseTokens('')).toEqual([])
    expect(parseTokens('a,,b')).toBeUndefined()
    expect(parseTokens('a b')).toBeUndefined()
    expect([isToken("a-.!%*_+`'~"), isToken(''), isToken('a:b'), isToken('\xe9')]).toEqual([
      true,
      false,
      false,
      false,
    ])
  })

  test('a contact says its expiry and preference', () => {
    expect(parseContact(' * ')).toEqual({ kind: 'star' })
    expect(parseContact('"x" <sip:a@b;lr>;q=0.3;expires=60;+sip.instance="<urn:uuid:1>"')).toMatchObject({
      kind: 'address',
      address: { display: 'x', uri: 'sip:a@b;lr' },
      expires: 60,
      q: 0.3,
    })
    expect(parseContact('<sip:a@b>;expires=280297596632815')).toMatchObject({ expires: MAX_DELTA_SECONDS })
    expect(parseContact('<sip:a@b>;expires="Sat, 01 Dec 2040 16:00:00 GMT"')).toMatchObject({ expires: 3600 })
    expect(parseContact('<sip:a@b>;q=7')).toMatchObject({ q: undefined, expires: undefined })
    expect(parseContact('*;expires=0')).toBeUndefined()
    expect(parseContact('sip:user@example.com?Route=%3Csip:sip.example.com%3E')).toBeUndefined()
  })

  test('an event has a package and parameters', () => {
    expect(parseEvent(' presence.winfo ; id=7 ')).toEqual({ package: 'presence.winfo', params: '; id=7' })
    expect(parseEvent('reg')).toEqual({ package: 'reg', params: '' })
    expect(parseEvent('')).toBeUndefined()
    expect(parseEvent('reg event')).toBeUndefined()
  })
})

describe('dates and waiting', () => {
  test('a SIP date is in GMT', () => {
    expect(isSipDate('Sat, 13 Nov 2010 23:29:00 GMT')).toBe(true)
    expect(isSipDate('Fri, 01 Jan 2010 16:00:00 EST')).toBe(false)
    expect(isSipDate('Friday, 01-Jan-10 16:00:00 GMT')).toBe(false)
  })

  test('Retry-After with a comment and parameters', () => {
    expect(parseRetryAfter('18000;duration=3600')).toEqual({ seconds: 18000, params: ';duration=3600' })
    expect(parseRetryAfter("120 (I'm in a (long) meeting\\))")).toEqual({ seconds: 120, params: '' })
    expect(parseRetryAfter('120 (open')).toBeUndefined()
    expect(parseRetryAfter('soon')).toBeUndefined()
  })
})

test('a status code without a phrase of its own has that of its class', () => {
  expect([reasonPhrase(200), reasonPhrase(483), reasonPhrase(499), reasonPhrase(999)]).toEqual([
    'OK',
    'Too Many Hops',
    'Bad Request',
    '',
  ])
})
