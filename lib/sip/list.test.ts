import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { restOfList, splitList, topOfList } from './list.ts'

describe('a comma-separated value', () => {
  test.each<[string, string[]]>([
    ['', []],
    ['  ', []],
    ['a', ['a']],
    [' a ,\r\n b', ['a', 'b']],
    ['"a,b" <sip:c,d>;x="," , e', ['"a,b" <sip:c,d>;x=","', 'e']],
    ['"a\\",b", c', ['"a\\",b"', 'c']],
    ['a,,b', ['a', '', 'b']],
    ['a,', ['a', '']],
    [',', ['', '']],
    ['"a, b', ['"a, b']],
    ['<a, b', ['<a, b']],
    ['a, "b, c', ['a', '"b, c']],
  ])('%j', (value, elements) => {
    expect(splitList(value)).toEqual(elements)
    expect(topOfList(value)).toBe(elements[0] ?? '')
    expect(splitList(restOfList(value))).toEqual(
      elements.length === 2 && elements[1] === '' ? [] : elements.slice(1),
    )
  })

  test('a single value comes back itself', () => {
    expect(topOfList('<sip:a@b>')).toBe('<sip:a@b>')
    expect(restOfList('<sip:a@b>')).toBe('')
  })
})

test('what is joined with commas is split into the same', () => {
  const element = fc.constantFrom('a', '<sip:a,b@c>', '"x,\\"," <sip:a>', 'sip:a@b;c="d,e"')
  fc.assert(
    fc.property(fc.array(element), fc.constantFrom(',', ' , ', ',\r\n '), (elements, comma) => {
      expect(splitList(elements.join(comma))).toEqual(elements)
    }),
  )
})
