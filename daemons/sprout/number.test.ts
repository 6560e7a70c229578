import { expect, test } from 'vitest'
import { uri } from '../../lib/ims/testing.ts'
import { numberOf } from './number.ts'
import { openCore } from './testing.ts'

test.each([
  ['tel:+1-(555).123', '+1555123'],
  ['tel:+15551234;rn=+1999', '+15551234'],
  ['sip:+1-555@example.com', '+1555'],
  ['sip:+1555;rn=+1999@example.com', '+1555'],
  ['sip:5551@example.org;user=phone', '5551'],
  ['sip:5551@example.org', undefined],
  ['sip:alice@example.com', undefined],
  ['sip:5551@example.com;gr=x', undefined],
  ['sip:example.com', undefined],
  ['urn:service:sos', undefined],
])('%s is the number %s', (text, number) => {
  expect(numberOf(uri(text), openCore().core.uriContext)).toBe(number)
})

test('a name at home is a number only with user=phone where that is enforced', () => {
  const { uriContext } = openCore({ enforceUserPhone: true }).core
  expect(numberOf(uri('sip:5551@example.com'), uriContext)).toBeUndefined()
  expect(numberOf(uri('sip:5551@example.com;user=phone'), uriContext)).toBe('5551')
})
