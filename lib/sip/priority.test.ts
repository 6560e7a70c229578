import { expect, test } from 'vitest'
import { isUrgent } from './priority.ts'
import { request, type RequestParts } from './testing.ts'

const PRIORITIES = new Set(['ets.0'])

test.for<readonly [string, RequestParts]>([
  ['an emergency call', { uri: 'urn:service:sos.fire' }],
  ['an emergency call by the other spelling', { uri: 'URN:services:sos' }],
  ['a poll', { method: 'OPTIONS' }],
  ['a subscription', { method: 'SUBSCRIBE' }],
  [
    'a registration with credentials',
    { method: 'REGISTER', headers: ['Authorization: Digest username="a"'] },
  ],
  ['a call on its way along a chain of services', { headers: ['Route: <sip:odi_a1B2@192.0.2.1:5054;lr>'] }],
  ['a call with a configured priority', { headers: ['Resource-Priority: wps.1, ETS.0'] }],
])('%s is let in whatever the load', ([, parts]) => {
  expect(isUrgent(request(parts), PRIORITIES)).toBe(true)
})

test.for<readonly [string, RequestParts]>([
  ['a call', {}],
  ['a message', { method: 'MESSAGE' }],
  ['a registration that begins', { method: 'REGISTER' }],
  ['a call with a priority that was not configured', { headers: ['Resource-Priority: wps.1'] }],
  ['a call to somebody whose name only looks like it', { uri: 'sip:urn:service:sos@example.com' }],
  ['a call with another route', { headers: ['Route: <sip:alice@192.0.2.1;lr>'] }],
])('%s is not', ([, parts]) => {
  expect(isUrgent(request(parts), PRIORITIES)).toBe(false)
  expect(isUrgent(request(parts), undefined)).toBe(false)
})
