import { expect, test } from 'vitest'
import { H } from '../../lib/sip/header-names.ts'
import { sipRequest } from '../../lib/ims/testing.ts'
import { responseTo } from '../../lib/sip/message.ts'
import { removeClaims, removeSecrets, responseForClient, responseFromClient } from './trust.ts'

const LINES = [
  'P-Asserted-Identity: <sip:a@x>',
  'P-Access-Network-Info: wifi',
  'P-Charging-Vector: icid-value=1',
]
const request = sipRequest('INVITE', 'sip:bob@example.com', LINES)
const response = (name: string) =>
  responseTo(request, 200, { edit: headers => void headers.add(name, 'something') })

test('a client may tell where it is, but not who it is', () => {
  const text = removeClaims(request.headers.edit()).done().format()
  expect(text).toContain('P-Access-Network-Info: wifi')
  expect(text).not.toMatch(/P-Asserted-Identity|P-Charging-Vector/)
})

test('a client is told who calls, but not from where', () => {
  const text = removeSecrets(request.headers).done().format()
  expect(text).toContain('P-Asserted-Identity: <sip:a@x>')
  expect(text).not.toMatch(/P-Access-Network-Info|P-Charging-Vector/)
})

test('a client is not told who wants to stay private', () => {
  const secret = sipRequest('INVITE', 'sip:bob@example.com', [...LINES, 'Privacy: header; ID'])
  expect(removeSecrets(secret.headers).done().has(H['P-Asserted-Identity'])).toBe(false)
})

test('a response with nothing to hide is passed on as it is', () => {
  const plain = response('Server')
  expect(responseForClient(plain)).toBe(plain)
  expect(responseFromClient(plain)).toBe(plain)
})

test('claims and secrets are taken out under any spelling', () => {
  expect(responseFromClient(response('p-asserted-IDENTITY')).format()).not.toContain('something')
  expect(responseForClient(response('p-charging-vector')).format()).not.toContain('something')
})
