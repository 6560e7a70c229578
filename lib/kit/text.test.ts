import fc from 'fast-check'
import { expect, test } from 'vitest'
import { detached } from './text.ts'

test('a detached text is the same text, octet by octet', () => {
  const octets = fc.string({ unit: fc.nat(255).map(code => String.fromCharCode(code)) })
  fc.assert(
    fc.property(octets, text => {
      expect(detached(text)).toBe(text)
    }),
  )
})
