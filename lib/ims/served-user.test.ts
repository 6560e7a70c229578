import { expect, test } from 'vitest'
import type { Impu } from './identity.ts'
import { formatServedUser, parseServedUser, type ServedUser } from './served-user.ts'

const impu = 'sip:alice@example.com' as Impu

test.each<[string, ServedUser]>([
  ['<sip:alice@example.com>;sescase=orig;regstate=reg', { impu, side: 'orig', registered: true }],
  ['<sip:alice@example.com>;sescase=term;regstate=unreg', { impu, side: 'term', registered: false }],
  ['<sip:alice@example.com>;orig-cdiv', { impu, side: 'cdiv', registered: true }],
])('%s is read and written', (text, user) => {
  expect(parseServedUser(text)).toEqual(user)
  expect(formatServedUser(user)).toBe(text)
})

test('who is named without brackets, or as others write him, is the same', () => {
  expect(parseServedUser('"Alice" <sip:alice@EXAMPLE.com;user=phone>; sescase=term')).toEqual({
    impu,
    side: 'term',
    registered: true,
  })
})

test.each([
  '',
  'alice',
  '<mailto:alice@example.com>;sescase=orig',
  '<sip:alice@example.com>',
  '<sip:a@b>;sescase=both',
])('"%s" serves nobody', text => {
  expect(parseServedUser(text)).toBeUndefined()
})
