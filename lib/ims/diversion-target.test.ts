import { expect, test } from 'vitest'
import { diversionTarget } from './diversion-target.ts'

test.each([
  [' 6505550001 ', 'sip:6505550001@example.com'],
  ['+16505550001', 'sip:+16505550001@example.com'],
  ['*86', 'sip:*86@example.com'],
  ['sip:carol@example.net;user=phone', 'sip:carol@example.net;user=phone'],
  ['sip:carol@example.net?Route=x', 'sip:carol@example.net'],
  ['tel:+1-650-555-0001', 'tel:+1-650-555-0001'],
])('%s is %s', (written, uri) => {
  expect(diversionTarget(written, 'example.com')).toBe(uri)
})

test.each([
  '',
  'banana',
  'carol@example.net',
  'sip:',
  'tel:',
  'mailto:a@b.c',
  'urn:service:sos',
  'sip:a b@c',
])('"%s" is no address', written => {
  expect(diversionTarget(written, 'example.com')).toBeUndefined()
})
