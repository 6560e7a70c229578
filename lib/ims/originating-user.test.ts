import { expect, test } from 'vitest'
import { formatUri } from '../sip/uri.ts'
import { originatingUser } from './originating-user.ts'
import { sipRequest } from './testing.ts'

const SERVED = 'P-Served-User: "S" <sip:served@example.com>;sescase=orig'
const ASSERTED = 'P-Asserted-Identity: tel:+1555, <sip:second@example.com>'

test.each([
  ['what a trusted hop says', [ASSERTED, SERVED], 'sip:served@example.com'],
  ['what the edge asserts first', [ASSERTED], 'tel:+1555'],
  ['From', [], 'sip:alice@example.com'],
  ['nobody, rather than somebody else, where that is nonsense', ['P-Served-User: <nonsense'], undefined],
])('%s', (_what, lines, expected) => {
  const user = originatingUser(sipRequest('INVITE', 'sip:bob@example.com', lines))
  expect(user === undefined ? undefined : formatUri(user)).toBe(expected)
})
