import { expect, test } from 'vitest'
import type { Impu } from '../../../lib/ims/identity.ts'
import { parseUri } from '../../../lib/sip/uri.ts'
import { formatOdi, parseOdi, type OdiToken } from './odi.ts'

const TOKEN: OdiToken = {
  visit: 'aB3_-90xyz',
  side: 'orig',
  registered: true,
  next: 1,
  maxForwards: 68,
  impu: 'sip:alice@example.com' as Impu,
}

test.each([
  TOKEN,
  { ...TOKEN, side: 'term', registered: false, next: 12, maxForwards: 0 },
  { ...TOKEN, side: 'cdiv', impu: 'tel:+15551234' as Impu },
  { ...TOKEN, impu: 'sip:a%20b;x=1@[2001:db8::1]' as Impu },
] as const)('says all that is needed to go on, in a user part of a URI', token => {
  const user = formatOdi(token)
  const uri = parseUri(`sip:${user}@192.0.2.1:5054;lr`)
  expect(uri?.kind === 'sip' && uri.user).toBe(user)
  expect(parseOdi(user)).toEqual(token)
})

test.each([
  'odi_',
  'odi_abcdefghij',
  'alice',
  `${formatOdi(TOKEN)}x!`,
  formatOdi({ ...TOKEN, impu: 'x' as Impu }),
])('anything else is none: %s', user => {
  expect(parseOdi(user)).toBeUndefined()
})
