import { describe, expect, test } from 'vitest'
import { parseUri, type Uri } from '../sip/uri.ts'
import {
  classifyUri,
  defaultImpi,
  impuOf,
  isGlobalNumber,
  isNumberUser,
  type UriContext,
} from './identity.ts'

function uri(text: string): Uri {
  const value = parseUri(text)
  if (value === undefined) throw new Error(`${text} is no URI`)
  return value
}

describe('public identities', () => {
  test.each([
    ['sip:6505550000@Example.COM:5060;transport=tcp?a=b', 'sip:6505550000@example.com'],
    ['sip:bob:secret@example.com', 'sip:bob@example.com'],
    ['sip:%62ob%3b@example.com', 'sip:bob%3B@example.com'],
    ['sip:+1650;ext=5@example.com;user=phone', 'sip:+1650;ext=5@example.com'],
    ['SIPS:bob@example.com', 'sips:bob@example.com'],
    ['sip:example.com', 'sip:example.com'],
    ['tel:+1-650-555-(0000);ext=5', 'tel:+16505550000'],
    ['tel:+1.650.555.0000', 'tel:+16505550000'],
  ])('%s is %s', (text, impu) => {
    expect(impuOf(uri(text))).toBe(impu)
  })

  test('a canonical identity stays itself', () => {
    for (const text of ['sip:a%3B%20b@example.com', 'tel:+1650']) expect(impuOf(uri(text))).toBe(text)
  })

  test('a urn names no user', () => {
    expect(impuOf(uri('urn:service:sos'))).toBeUndefined()
    expect(impuOf(uri('http://example.com'))).toBeUndefined()
  })

  test('the private identity that goes with one', () => {
    const of = (text: string) => {
      const impu = impuOf(uri(text))
      return impu === undefined ? undefined : defaultImpi(impu, 'home.example')
    }
    expect(of('sip:6505550000@example.com')).toBe('6505550000@example.com')
    expect(of('tel:+1-650')).toBe('+1650@home.example')
  })
})

describe('numbers', () => {
  test('a global one has a plus, digits and no dot', () => {
    expect(['+1650', '+1-(650),5', '+1.650', '1650', '+', '+16A', '+1650;x'].map(isGlobalNumber)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
      false,
    ])
  })

  test('a user part that can be dialled', () => {
    expect(['6505550000', '*21#', 'ABCDEF', '+1650', 'bob', 'abc', '', '65.0'].map(isNumberUser)).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
      false,
      false,
    ])
  })
})

describe('classes of URIs', () => {
  const context: UriContext = {
    homeDomains: ['home.example'],
    localNames: ['node1.home.example', '192.0.2.1', '[2001:db8::1]'],
    enforceUserPhone: false,
    enforceGlobalOnly: false,
  }

  test.each([
    ['tel:+44123;rn=+44700', 'np-data'],
    ['tel:+44123;rn=+44700;npdi', 'final-np-data'],
    ['sip:+44123;rn=+44700@other.example;user=phone', 'np-data'],
    ['sip:+44123@other.example;rn=+44700', 'offnet-sip'],
    ['tel:+1650', 'global-number'],
    ['tel:1234;phone-context=home.example', 'global-number'],
    ['sip:+1650@other.example;user=phone', 'global-number'],
    ['sip:6505551234@HOME.example', 'global-number'],
    ['sip:*21%23@home.example', 'global-number'],
    ['sip:6505551234@home.example;gr=x', 'home-sip'],
    ['sip:6505551234@home.example;user=DialString', 'home-sip'],
    ['sip:6505551234@other.example;user=dialstring', 'offnet-sip'],
    ['sip:bob@home.example', 'home-sip'],
    ['sip:home.example', 'home-sip'],
    ['sip:bob@node1.home.example', 'local-sip'],
    ['sip:bob@[2001:DB8::1]', 'local-sip'],
    ['sip:6505551234@other.example', 'offnet-sip'],
    ['urn:service:sos', 'unknown'],
    ['http://home.example', 'unknown'],
  ])('%s is %s', (text, expected) => {
    expect(classifyUri(uri(text), context)).toBe(expected)
  })

  test('settings that narrow what a number is', () => {
    const strict = { ...context, enforceUserPhone: true, enforceGlobalOnly: true }
    expect(classifyUri(uri('sip:6505551234@home.example'), strict)).toBe('home-sip')
    expect(classifyUri(uri('sip:1234@home.example;user=phone'), strict)).toBe('local-number')
    expect(classifyUri(uri('tel:+1.650'), strict)).toBe('local-number')
    expect(classifyUri(uri('tel:+1-650'), strict)).toBe('global-number')
    expect(classifyUri(uri('sip:6505551234@home.example'), { ...context, preferSip: true })).toBe('home-sip')
  })
})
