import { describe, expect, test } from 'vitest'
import { credentialsOf, hasEmergencyContact, isDeregistration, registeredImpu } from './register-request.ts'
import { sipRequest } from './testing.ts'

const register = (...lines: string[]) => sipRequest('REGISTER', 'sip:example.com', lines)

test.each([
  ['To: "Al" <sip:alice@EXAMPLE.com:5060;user=phone>', 'sip:alice@example.com'],
  ['To: <tel:+1-555>', 'tel:+1555'],
  ['To: <urn:service:sos>', undefined],
])('who registers: %s', (line, impu) => {
  expect(registeredImpu(register(line))).toBe(impu)
})

test('malformed credentials are none', () => {
  expect(credentialsOf(register('Authorization: Digest username="a"'))?.params).toHaveLength(1)
  expect(credentialsOf(register('Authorization: Digest username="a'))).toBeUndefined()
  expect(credentialsOf(register())).toBeUndefined()
})

describe('an emergency contact', () => {
  test.each([
    [true, 'Contact: <sip:a@h;sos>'],
    [true, 'Contact: <sip:a@h>, <sip:a@h;SOS;transport=tcp>'],
    [false, 'Contact: <sip:sos@sos.example.com>;sos'],
    [false, 'Contact: <sip:a@h;sosx>'],
    [false, 'Contact: *'],
  ])('%s: %s', (expected, line) => {
    expect(hasEmergencyContact(register(line))).toBe(expected)
  })
})

describe('a deregistration', () => {
  test.each([
    [true, ['Contact: *', 'Expires: 0']],
    [false, ['Contact: *', 'Expires: 5']],
    [true, ['Contact: <sip:a@h>', 'Expires: 0']],
    [true, ['Contact: <sip:a@h>;EXPIRES=0', 'Expires: 60']],
    [false, ['Contact: <sip:a@h>;expires=60', 'Expires: 0']],
    [false, ['Contact: <sip:a@h>;expires=0', 'Contact: <sip:b@h>']],
    [false, ['Contact: <sip:expires@h>']],
    [false, ['Expires: 0']],
  ])('%s: %j', (expected, lines) => {
    expect(isDeregistration(register(...lines))).toBe(expected)
  })
})
