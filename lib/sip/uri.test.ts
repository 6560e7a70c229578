import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  formatUri,
  normalizeEscapes,
  parseUri,
  sameHost,
  sipUri,
  uriEquals,
  uriParam,
  withoutUriParam,
  withUriParam,
} from './uri.ts'
import type { SipUri, TelUri, Uri } from './uri.ts'

function sip(text: string): SipUri {
  const uri = parseUri(text)
  if (uri?.kind !== 'sip') throw new Error(`${text} is no sip URI`)
  return uri
}

function tel(text: string): TelUri {
  const uri = parseUri(text)
  if (uri?.kind !== 'tel') throw new Error(`${text} is no tel URI`)
  return uri
}

function same(a: string, b: string): boolean {
  const first = parseUri(a)
  const second = parseUri(b)
  if (first === undefined || second === undefined) throw new Error(`${a} or ${b} is no URI`)
  const equal = uriEquals(first, second)
  expect(uriEquals(second, first)).toBe(equal)
  return equal
}

describe('reading a SIP URI', () => {
  test('all its parts come out as written', () => {
    expect(parseUri('SIPS:alice:se%20cret@Example.COM:5061;Transport=tcp;lr?subject=x&to=a%40b')).toEqual({
      kind: 'sip',
      scheme: 'sips',
      user: 'alice',
      password: 'se%20cret',
      host: 'Example.COM',
      port: 5061,
      params: ';Transport=tcp;lr',
      headers: '?subject=x&to=a%40b',
    })
  })

  test('parameters inside the user part stay there', () => {
    const uri = sip('sip:+1650;rn=+1651;npdi@example.com;user=phone')
    expect(uri.user).toBe('+1650;rn=+1651;npdi')
    expect(uri.params).toBe(';user=phone')
  })

  test.each([
    'sip:example.com',
    'sip:192.0.2.1:5060',
    'sip:[2001:db8::10]',
    'sip:[2001:db8::10:5070]',
    'sip:[::ffff:192.0.2.10]:19823',
    "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
    'sip:sips%3Auser%40example.com@example.net',
    'sip:user@example.com?Route=%3Csip:example.com%3E',
    'sip:a@b;opaque=dGVzdA==;flag',
    'sip:*21#@example.com',
    'sip:+1-650-555-0100@example.com;user=phone',
    'sip:null-%00-null@example.com',
  ])('%s is taken and written back the same', text => {
    expect(formatUri(sip(text))).toBe(text)
  })

  test.each([
    '',
    'sip',
    'sip:',
    'sip:@example.com',
    'sip:user@',
    'sip:us er@example.com',
    'sip:user@example.com; lr',
    ' sip:user@example.com',
    'sip:user@example.com ',
    'sip:user@exa"mple.com',
    'sip:a@b@c',
    'sip:a@b;x=y@z',
    'sip:user@example.com:',
    'sip:user@example.com:65536',
    'sip:user@example.com:5x',
    'sip:user@example.com;',
    'sip:user@example.com;;lr',
    'sip:user@example.com;=x',
    'sip:2001:db8::10',
    'sip:user@[2001:db8::10',
    'sip:user@[]',
    'sip:user@[example]',
    'sip:user@.example.com',
    'sip:%6@example.com',
    'sip:%zz@example.com',
    'sip:user@example.com;a=%',
    'sip:us\xe9r@example.com',
    'sip:user@example.com\r\n',
    '<sip:user@example.com>',
    'www.example.com',
    ':user',
    '1a:b',
  ])('%j is refused', text => {
    expect(parseUri(text)).toBeUndefined()
  })
})

describe('reading other URIs', () => {
  test('a tel URI keeps its separators', () => {
    expect(parseUri('tel:+1-201-555-0123;ext=5')).toEqual({
      kind: 'tel',
      number: '+1-201-555-0123',
      params: ';ext=5',
    })
    expect(parseUri('TEL:*21#;phone-context=example.com')).toMatchObject({ kind: 'tel', number: '*21#' })
  })

  test.each(['tel:', 'tel:+', 'tel:-', 'tel:hello', 'tel:123;', 'tel:123 456'])('%s is refused', text => {
    expect(parseUri(text)).toBeUndefined()
  })

  test('urn and unknown schemes are told apart', () => {
    expect(parseUri('urn:service:sos.fire')).toEqual({ kind: 'urn', nid: 'service', nss: 'sos.fire' })
    expect(parseUri('urn:service:')).toBeUndefined()
    expect(parseUri('soap.beep://192.0.2.103:3002')).toEqual({
      kind: 'other',
      scheme: 'soap.beep',
      rest: '//192.0.2.103:3002',
    })
    expect(parseUri('name:John_Smith')?.kind).toBe('other')
    expect(parseUri('http://exa mple.com')).toBeUndefined()
  })
})

describe('parameters of a URI', () => {
  const uri = sip('sip:a@b;Transport=TCP;lr;%6F%62;x=%41')

  test('are found whatever the case or escapes of their names', () => {
    expect(uriParam(uri, 'transport')).toBe('TCP')
    expect(uriParam(uri, 'LR')).toBe('')
    expect(uriParam(uri, 'ob')).toBe('')
    expect(uriParam(uri, 'x')).toBe('%41')
    expect(uriParam(uri, 'l')).toBeUndefined()
    expect(uriParam(uri, 'lrr')).toBeUndefined()
    expect(uriParam({ kind: 'other', scheme: 'x', rest: ';lr' }, 'lr')).toBeUndefined()
  })

  test('are set in their place, added at the end, or taken out', () => {
    expect(withUriParam(uri, 'transport', 'udp').params).toBe(';transport=udp;lr;%6F%62;x=%41')
    expect(withUriParam(uri, 'orig').params).toBe(';Transport=TCP;lr;%6F%62;x=%41;orig')
    expect(withoutUriParam(uri, 'lr').params).toBe(';Transport=TCP;%6F%62;x=%41')
    expect(withoutUriParam(uri, 'maddr')).toBe(uri)
    expect(withoutUriParam(sip('sip:a@b;x;y;X=1'), 'x').params).toBe(';y')
    expect(withUriParam(tel('tel:+1'), 'rn', '+2').params).toBe(';rn=+2')
  })
})

describe('comparing URIs (RFC 3261 §19.1.4)', () => {
  test.each([
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;security=on'],
    [
      'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
      'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com',
    ],
    [
      'sip:alice@atlanta.com?subject=project%20x&priority=urgent',
      'sip:alice@atlanta.com?priority=urgent&subject=project%20x',
    ],
    ['sip:a@[2001:DB8::1]', 'sip:a@[2001:db8:0:0::1]'],
    ['tel:+1-201-555-0123', 'tel:+1(201)5550123'],
    ['tel:7042;phone-context=Example.com', 'TEL:7042;phone-context=example.com'],
    ['URN:Service:sos', 'urn:service:sos'],
    ['urn:example:a%2cb', 'urn:example:a%2Cb'],
  ])('%s is %s', (a, b) => {
    expect(same(a, b)).toBe(true)
  })

  test.each([
    ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'],
    ['sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4'],
    ['sip:bob@biloxi.com', 'sips:bob@biloxi.com'],
    ['sip:bob@biloxi.com', 'sip:bob:pw@biloxi.com'],
    ['sip:biloxi.com', 'sip:b@biloxi.com'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'],
    ['sip:a%3Bb@c', 'sip:a;b@c'],
    ['tel:+1201', 'tel:1201'],
    ['tel:7042', 'tel:7042;phone-context=example.com'],
    ['urn:service:sos', 'urn:service:SOS'],
    ['sip:a@b', 'tel:1'],
    ['name:x', 'name:X'],
  ])('%s is not %s', (a, b) => {
    expect(same(a, b)).toBe(false)
  })

  test('escapes get one spelling', () => {
    expect(normalizeEscapes('%61%3b#%zz%2')).toBe('a%3B%23%zz%2')
    expect(normalizeEscapes('%2561')).toBe('%2561')
  })

  test('a bracketed text that is no address equals only itself', () => {
    expect(sameHost('[1::2::3]', '[1::2::03]')).toBe(false)
    expect(sameHost('[1::2::3]', '[1::2::3]')).toBe(true)
  })
})

const part = (alphabet: string, minLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...Array.from(alphabet), '%20', '%3A'), minLength, maxLength: 12 })
const plain = (alphabet: string): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...Array.from(alphabet)), minLength: 1, maxLength: 12 })
const params = fc
  .array(fc.tuple(part('aZ0-[]/:&+$', 1), fc.option(part('aZ0-[]/:&+$', 1), { nil: undefined })), {
    maxLength: 4,
  })
  .map(list => list.map(([name, value]) => (value === undefined ? `;${name}` : `;${name}=${value}`)).join(''))

const anySip: fc.Arbitrary<SipUri> = fc
  .record({
    scheme: fc.constantFrom('sip' as const, 'sips' as const),
    user: fc.option(part("aZ0-_.!~*'()&=+$,;?/", 1), { nil: undefined }),
    password: fc.option(part('aZ0&=+$,', 0), { nil: undefined }),
    host: fc.oneof(
      plain('aZ09').map(label => `${label}.example`),
      fc.ipV4(),
      fc.ipV6().map(address => `[${address}]`),
    ),
    port: fc.option(fc.nat(65535), { nil: undefined }),
    params,
    headers: fc.constantFrom('', '?a=b', '?Route=%3Csip:x%3E&b='),
  })
  .map(parts => sipUri(parts.user === undefined ? { ...parts, password: undefined } : parts))

const anyUri: fc.Arbitrary<Uri> = fc.oneof(
  anySip,
  fc.record({ kind: fc.constant('tel' as const), number: plain('0123456789').map(n => `+${n}`), params }),
  fc.record({ kind: fc.constant('urn' as const), nid: plain('abc9'), nss: plain('abc:9.') }),
  fc.record({ kind: fc.constant('other' as const), scheme: plain('wxyz'), rest: plain('abc/:?#@') }),
)

describe('properties', () => {
  test('parse after format gives the URI again', () => {
    fc.assert(
      fc.property(anyUri, uri => {
        expect(parseUri(formatUri(uri))).toEqual(uri)
      }),
    )
  })

  test('a URI equals itself and what differs only in escapes and case', () => {
    fc.assert(
      fc.property(anySip, uri => {
        expect(uriEquals(uri, { ...uri })).toBe(true)
        expect(uriEquals(uri, { ...uri, host: uri.host.toUpperCase() })).toBe(true)
        const user = uri.user?.replace('a', '%61')
        expect(uriEquals(uri, { ...uri, user })).toBe(true)
      }),
    )
  })

  test('no text throws, and what is taken is written back the same but for the case of the scheme', () => {
    const fragments = fc.constantFrom(
      ...Array.from('sip:tel@;=?&%[]<>",. \r\n\0a0F+*#\xe9'),
      'sip:',
      'tel:',
      'urn:',
    )
    fc.assert(
      fc.property(fc.string({ unit: fragments, maxLength: 20 }), text => {
        const uri = parseUri(text)
        if (uri !== undefined) expect(formatUri(uri).toLowerCase()).toBe(text.toLowerCase())
      }),
      { numRuns: 2000 },
    )
  })
})
