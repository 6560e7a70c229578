import { expect, test } from 'vitest'
import { hasKnownScheme } from './scheme.ts'

test.each([
  ['sip:bob@example.com', true],
  ['SIPS:bob@example.com', true],
  ['tel:+15551234', true],
  ['urn:service:sos', true],
  ['mailto:bob@example.com', false],
  ['sipx:bob@example.com', false],
  ['bob', false],
  ['', false],
])('%s: %s', (uri, known) => {
  expect(hasKnownScheme(uri)).toBe(known)
})
