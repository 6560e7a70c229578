import { describe, expect, test } from 'vitest'
import { uri } from '../../../lib/ims/testing.ts'
import type { SipUri } from '../../../lib/sip/uri.ts'
import { formatUri } from '../../../lib/sip/uri.ts'
import {
  formatMangling,
  mangleAddress,
  mangleRoute,
  mangleUri,
  mangleWord,
  manglingOf,
  parseMangling,
} from './mangling.ts'

const asked = (params: string) => manglingOf(uri(`sip:mangelwurzel.example.com${params}`) as SipUri)

describe('a word', () => {
  test.each([
    ['rot13', 'Abz-09@x', 'Nom-54@k'],
    ['reverse', 'abc1', '1cba'],
    ['rot13', '', ''],
  ] as const)('by %s: %s is %s, and the other way round', (algorithm, plain, mangled) => {
    expect(mangleWord(plain, algorithm)).toBe(mangled)
    expect(mangleWord(mangled, algorithm)).toBe(plain)
  })
})

describe('a URI', () => {
  test.each([
    ['', 'sip:bob@example.com;user=phone', 'sip:obo@example.com;user=phone'],
    [';change-domain', 'sip:bob@example.com:5060', 'sip:obo@rknzcyr.pbz:5060'],
    [';mangalgorithm=reverse', 'sip:bob1@example.com', 'sip:1bob@example.com'],
    [';mangalgorithm=reverse', 'sip:a%20b@example.com', 'sip:b%20a@example.com'],
    ['', 'sip:a%20b@example.com', 'sip:n%20o@example.com'],
    [';mangalgorithm=unheard-of', 'sip:6505550001@example.com', 'sip:1050005556@example.com'],
    [';change-domain', 'sip:bob@[::1]', 'sip:obo@[::1]'],
    [';change-domain', 'tel:+16505550001', 'tel:+16505550001'],
    ['', 'sip:example.com', 'sip:example.com'],
  ])('with %s: %s becomes %s', (params, plain, mangled) => {
    expect(formatUri(mangleUri(uri(plain), asked(params)))).toBe(mangled)
  })

  test('of a Route has its host changed too, that of an address only when asked', () => {
    expect(mangleRoute('<sip:tok@edge.example.com;lr>', asked(''))).toBe('<sip:gbx@rqtr.rknzcyr.pbz;lr>')
    expect(mangleAddress('"Bob" <sip:bob@example.com>;tag=b1', asked(''))).toBe(
      '"Bob" <sip:obo@example.com>;tag=b1',
    )
  })

  test('that cannot be read stays as it is', () => {
    expect(mangleAddress('<nonsense', asked(''))).toBe('<nonsense')
    expect(mangleRoute('<mailto:bob@example.com>', asked(''))).toBe('<mailto:bob@example.com>')
  })
})

describe('how a call is mangled', () => {
  test('is kept in a word, from which it is read again', () => {
    const mangling = asked(';dialog;to;routes;change-domain;orig;ootb;req-uri;mangalgorithm=REVERSE;else')
    expect(mangling.algorithm).toBe('reverse')
    expect(mangling.flags.size).toBe(7)
    expect(parseMangling(formatMangling(mangling))).toEqual(mangling)
    expect(parseMangling(formatMangling(asked('')))).toEqual({ flags: new Set(), algorithm: 'rot13' })
  })

  test.each(['', 'rot14', 'rot13.everything', 'rot13.to.to', 'to'])('%j is no such word', word => {
    expect(parseMangling(word)).toBeUndefined()
  })
})
