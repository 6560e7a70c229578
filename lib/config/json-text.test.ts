import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseJson } from './json-text.ts'

test('reads what JSON.parse reads, to the same value', () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom(undefined, 2, '\t'), (text, indent) => {
      const value: unknown = JSON.parse(text)
      const parsed = parseJson(JSON.stringify(value, null, indent))
      expect('node' in parsed && parsed.node.value).toEqual(value)
    }),
  )
})

test('refuses what JSON.parse refuses', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"',
    '"a"',
    '1',
    '-',
    '.5',
    'e1',
    'true',
    ' ',
    '\n',
    '\\',
    '\u0001',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), pieces => {
      const text = pieces.join('')
      let valid = true
      try {
        JSON.parse(text)
      } catch {
        valid = false
      }
      const parsed = parseJson(text)
      // A key that is there twice is the one thing that only we refuse.
      expect('node' in parsed || (valid && parsed.fault.message.includes('twice'))).toBe(valid)
    }),
    { numRuns: 2000 },
  )
})
