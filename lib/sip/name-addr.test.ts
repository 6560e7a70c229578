import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatNameAddr, parseNameAddr } from './name-addr.ts'

describe('reading a name-addr', () => {
  test.each([
    ['<sip:a@b>', undefined, 'sip:a@b', ''],
    ['  <sip:a@b;lr> ; tag = 1 ', undefined, 'sip:a@b;lr', '; tag = 1'],
    ['"Bell, \\"A\\" \\\\" <sip:a@b>;tag=1', 'Bell, "A" \\', 'sip:a@b', ';tag=1'],
    ['""<sip:a@b>', '', 'sip:a@b', ''],
    ['J Rosenberg  <sip:a@b>', 'J Rosenberg', 'sip:a@b', ''],
    ["token1~` token2'+_ token3*%!.- <sip:m@e>;x", "token1~` token2'+_ token3*%!.-", 'sip:m@e', ';x'],
    ['J\xc3\xbcrgen <sip:a@b>', 'J\xc3\xbcrgen', 'sip:a@b', ''],
    ['sip:a@b;tag=1', undefined, 'sip:a@b', ';tag=1'],
    ['sip:a@b ;   tag    = 1', undefined, 'sip:a@b', ';   tag    = 1'],
    ['\r\n sip:a@b', undefined, 'sip:a@b', ''],
    ['sip:a@b;x="<sip:c@d>"', undefined, 'sip:a@b', ';x="<sip:c@d>"'],
    ['<tel:+1,2>', undefined, 'tel:+1,2', ''],
    ['"<sip:x>" <sip:a@b>', '<sip:x>', 'sip:a@b', ''],
  ])('%j', (text, display, uri, params) => {
    expect(parseNameAddr(text)).toEqual({ display, uri, params })
  })

  test.each([
    '',
    '<>',
    '<sip:>',
    'alice',
    '"Mr. J. User <sip:j.user@example.com>',
    '"a" sip:a@b',
    'Bell, Alexander <sip:a@b>;tag=1',
    '"Watson, Thomas" < sip:t.watson@example.org >',
    'sip:user@example.com?Route=%3Csip:sip.example.com%3E',
    'sip:a,b@c',
    'sip:a@b sip:c@d',
    'sip:a@b>',
    '<sip:a@b',
    '<sip:a@b> x',
    '<sip:a@b>;',
    '<sip:a@b>,<sip:c@d>',
    '<sip:a@b>;tag="1',
    '<"sip:a@b">',
  ])('%j is refused', text => {
    expect(parseNameAddr(text)).toBeUndefined()
  })
})

describe('properties', () => {
  test('parse after format gives the value again', () => {
    const display = fc.option(
      fc.string({ unit: 'binary-ascii' }).map(text => text.replace(/[\r\n]/g, ' ')),
      { nil: undefined },
    )
    const uri = fc.constantFrom('sip:a@b', 'sips:[::1]:5061;lr?a=b', 'tel:+1,2', 'urn:service:sos')
    const params = fc.constantFrom('', ';tag=1', ';a="b;,<>";c')
    fc.assert(
      fc.property(fc.record({ display, uri, params }), value => {
        expect(parseNameAddr(formatNameAddr(value))).toEqual(value)
      }),
    )
  })

  test('no text throws, and what is taken survives being written', () => {
    const unit = fc.constantFrom(...Array.from('<>";,? \\\r\n=:'), 'sip:a@b', 'x', '\xe9')
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 12 }), text => {
        const value = parseNameAddr(text)
        if (value !== undefined && !/[\r\n]/.test(text)) {
          expect(parseNameAddr(formatNameAddr(value))).toEqual(value)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
