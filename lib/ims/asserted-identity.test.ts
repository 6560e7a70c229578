import { expect, test } from 'vitest'
import { H } from '../sip/header-names.ts'
import { withSecondIdentity } from './asserted-identity.ts'
import type { Impu } from './identity.ts'
import type { PublicIdentity } from './subscription.ts'
import { sipRequest } from './testing.ts'

const identity = (impu: string, barred = false): PublicIdentity => ({ impu: impu as Impu, barred })

function asserted(lines: readonly string[], ...identities: PublicIdentity[]): string[] {
  const { headers } = sipRequest('INVITE', 'sip:bob@example.com', lines)
  const edit = headers.edit()
  withSecondIdentity(edit, headers, { identities, filterCriteria: [] }, 'example.com')
  return edit.done().list(H['P-Asserted-Identity'])
}

const NAME = 'P-Asserted-Identity: <sip:alice@example.com>'

test('a name gets the first number of the profile that is not barred', () => {
  const numbers = [identity('tel:+1555', true), identity('tel:+1666'), identity('tel:+1777')]
  expect(asserted([NAME], identity('sip:alice@example.com'), ...numbers)).toEqual([
    '<sip:alice@example.com>',
    '<tel:+1666>',
  ])
})

test('a name that is a number gets the same number', () => {
  const line = 'P-Asserted-Identity: "A" <sip:+1777@example.com;user=phone>'
  expect(asserted([line], identity('tel:+1666'), identity('tel:+1777'))[1]).toBe('<tel:+1777>')
})

test('a number gets its name at home', () => {
  expect(asserted(['P-Asserted-Identity: <tel:+1555;phone-context=x>'])[1]).toBe(
    '<sip:+1555@example.com;user=phone>',
  )
})

test('who has no number, or has said both, or nothing, is left alone', () => {
  expect(asserted([NAME])).toHaveLength(1)
  expect(asserted([NAME, 'P-Asserted-Identity: <tel:+1555>'], identity('tel:+1666'))).toHaveLength(2)
  expect(asserted([`${NAME}, <tel:+1555>`], identity('tel:+1666'))).toHaveLength(2)
  expect(asserted([], identity('tel:+1666'))).toEqual([])
})
