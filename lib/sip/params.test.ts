import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { areParams, formatParams, param, paramValue, parseParams, withoutParam, withParam } from './params.ts'
import { unquote } from './scan.ts'

describe('the shape of parameters', () => {
  test.each([
    '',
    '  ',
    ';lr',
    '; a = b ; c = "d;e,f" ',
    ';a\r\n =\r\n b',
    ';received=[2001:db8::9:255]',
    ';received=2001:db8::9:255',
    ';a="\\"\\\0"',
    ';a="\xd1\x80"',
  ])('%j is well-formed', text => {
    expect(areParams(text)).toBe(true)
  })

  test.each([
    ';',
    ';;',
    ';a;',
    ';a=',
    ';a=;b',
    ';=b',
    'a',
    ';a="b',
    ';a="b"c',
    ';a b',
    ';a=b c',
    ';a,b',
    ';a=b,c',
    ';a="\x01"',
  ])('%j is not', text => {
    expect(areParams(text)).toBe(false)
    expect(parseParams(text)).toBeUndefined()
  })
})

describe('finding one', () => {
  test('names have no case, values come as written', () => {
    const text = ';tag = 98asjd8; LR ;+sip.instance="<urn:uuid:a;tag=1>";q=0.5'
    expect(param(text, 'Tag')).toBe('98asjd8')
    expect(param(text, 'lr')).toBe('')
    expect(param(text, '+sip.instance')).toBe('"<urn:uuid:a;tag=1>"')
    expect(param(text, 'q')).toBe('0.5')
    expect(param(text, 'ta')).toBeUndefined()
    expect(param(text, 'tagg')).toBeUndefined()
  })

  test('in a header with several Via values only the first is looked at', () => {
    const text = 'SIP  / 2.0 / TCP spindle.example.com ;\r\n branch  =  z9hG4bK9ikj8 , SIP/2.0/UDP x;rport'
    expect(param(text, 'branch')).toBe('z9hG4bK9ikj8')
    expect(param(text, 'rport')).toBeUndefined()
    expect(param('SIP/2.0/UDP x, SIP/2.0/UDP y;branch=1', 'branch')).toBeUndefined()
    expect(withoutParam(';a;b, y;a', 'a')).toBe(';b, y;a')
  })

  test('an unterminated quote ends the search', () => {
    expect(param(';a="b;c=d', 'c')).toBeUndefined()
  })
})

describe('changing one', () => {
  test('is set in its place or at the end', () => {
    expect(withParam(';a=1;b;c=2', 'B', '3')).toBe(';a=1;B=3;c=2')
    expect(withParam(';rport', 'rport', '5060')).toBe(';rport=5060')
    expect(withParam('', 'lr')).toBe(';lr')
    expect(withParam(';a="x;b"', 'b', 'y')).toBe(';a="x;b";b=y')
  })

  test('is taken out however often it stands there', () => {
    expect(withoutParam(';a;b=1;A="x;y"', 'a')).toBe(';b=1')
    expect(withoutParam(';b', 'a')).toBe(';b')
  })

  test('a value is quoted when it must be', () => {
    expect(paramValue('abc')).toBe('abc')
    expect(paramValue('a "b"')).toBe('"a \\"b\\""')
    expect(paramValue('')).toBe('""')
  })
})

const name = fc.string({
  unit: fc.constantFrom(...Array.from("abcXYZ019-.!%*_+`'~")),
  minLength: 1,
  maxLength: 8,
})
const value = fc.oneof(
  fc.constant(''),
  name,
  fc.string({ unit: 'binary-ascii', maxLength: 8 }).map(text => paramValue(text.replace(/[\r\n]/g, ' '))),
)

describe('properties', () => {
  test('parse after format gives the parameters again', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ name, value }), { maxLength: 5 }), params => {
        expect(parseParams(formatParams(params))).toEqual(params)
      }),
    )
  })

  test('what is set can be read, and what is taken out cannot', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ name, value }), { maxLength: 5 }),
        name,
        value,
        (params, key, written) => {
          const text = withParam(formatParams(params), key, written)
          expect(areParams(text)).toBe(true)
          expect(param(text, key.toUpperCase())).toBe(written)
          expect(param(withoutParam(text, key), key)).toBeUndefined()
        },
      ),
    )
  })

  test('quoting is undone by unquoting', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), text => {
        const line = text.replace(/[\r\n]/g, ' ')
        expect(unquote(paramValue(line))).toBe(line)
      }),
    )
  })

  test('no text throws or keeps a search going', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...Array.from(';,=" \\ab\r\n<>')), maxLength: 20 }),
        text => {
          param(text, 'a')
          withParam(text, 'a', 'b')
          parseParams(text)
          expect(param(withoutParam(text, 'a'), 'a')).toBeUndefined()
        },
      ),
      { numRuns: 2000 },
    )
  })
})
