import { describe, expect, test } from 'vitest'
import { sipRequest } from '../../../lib/ims/testing.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { responseTo } from '../../../lib/sip/message.ts'
import { restoreFrom, withPrivacyApplied } from './privacy.ts'

const REVEALING = [
  'P-Asserted-Identity: <sip:alice@example.com>, <tel:+16505550001>',
  'Subject: it is Alice',
  'Call-Info: <http://alice.example.com/photo.jpg>',
  'Organization: Alice Ltd',
  'User-Agent: AlicePhone',
  'Server: AliceServer',
  'Reply-To: <sip:alice@example.com>',
  'In-Reply-To: 1@alice.example.com',
]
const FIELDS = REVEALING.map(line => line.split(':', 1)[0] ?? '')

function applied(...privacy: string[]) {
  const lines = [...REVEALING, ...privacy.map(value => `Privacy: ${value}`)]
  return withPrivacyApplied(sipRequest('INVITE', 'sip:bob@example.com', lines))
}

function hidden(...privacy: string[]): string[] {
  const request = applied(...privacy)
  return FIELDS.filter(field => request?.headers.named(field).length === 0)
}

describe('what the caller’s Privacy takes out (sip.md §7.3)', () => {
  test.each<[string, string[]]>([
    ['none', []],
    ['none; id; user; header', []],
    ['session', []],
    ['critical', []],
    ['id', ['P-Asserted-Identity']],
    ['ID ; critical', ['P-Asserted-Identity']],
    ['header', ['P-Asserted-Identity', 'Call-Info', 'Organization', 'Server']],
    ['user', ['Subject', 'Call-Info', 'Organization', 'User-Agent', 'Reply-To', 'In-Reply-To']],
    ['id; header; user', FIELDS],
  ])('%s', (privacy, gone) => {
    expect(hidden(privacy)).toEqual(gone)
  })

  test('values of several lines, with commas too, count together', () => {
    expect(hidden('id, header', 'user')).toEqual(FIELDS)
  })

  test('a request without Privacy is left as it is', () => {
    expect(hidden()).toEqual([])
  })
})

test('user: who calls is anonymous, with the tag of the dialog', () => {
  expect(applied('user')?.headers.get(H.From)).toBe('"Anonymous" <sip:anonymous@anonymous.invalid>;tag=a1')
  expect(applied('id')?.headers.get(H.From)).toBe('<sip:alice@example.com>;tag=a1')
})

test('header: whoever comes next keeps the identity back too', () => {
  expect(applied('header; user')?.headers.get(H.Privacy)).toBe('header; user; id')
  expect(applied('id;header')?.headers.get(H.Privacy)).toBe('id;header')
})

test('session: a call may not go on if that is critical', () => {
  expect(applied('session; critical')).toBeUndefined()
  expect(applied('none; session; critical')).toBeDefined()
  const message = sipRequest('MESSAGE', 'sip:bob@example.com', ['Privacy: session;critical'])
  expect(withPrivacyApplied(message)).toBeDefined()
})

test('the caller’s own From comes back to him', () => {
  const request = sipRequest('INVITE', 'sip:bob@example.com', ['Privacy: user'])
  const restored = restoreFrom(request)(responseTo(withPrivacyApplied(request) ?? request, 180))
  expect(restored.headers.get(H.From)).toBe(request.headers.get(H.From))
})
