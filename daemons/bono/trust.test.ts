import { describe, expect, test } from 'vitest'
import { H } from '../../lib/sip/header-names.ts'
import { Headers } from '../../lib/sip/headers.ts'
import { sipRequest } from '../../lib/ims/testing.ts'
import { responseTo } from '../../lib/sip/message.ts'
import { removeClaims, removeSecrets, responseFrom, responseTowards } from './trust.ts'

const LINES = [
  'P-Asserted-Identity: <sip:a@x>',
  'P-Access-Network-Info: wifi',
  'P-Charging-Vector: icid-value=1',
]
const request = sipRequest('INVITE', 'sip:bob@example.com', LINES)
const response = (name: string) =>
  responseTo(request, 200, { edit: headers => void headers.add(name, 'something') })

test('a client may tell where it is, but not who it is', () => {
  const text = removeClaims(request.headers.edit(), 'client').done().format()
  expect(text).toContain('P-Access-Network-Info: wifi')
  expect(text).not.toMatch(/P-Asserted-Identity|P-Charging-Vector/)
})

test('a client is told who calls, but not from where', () => {
  const text = removeSecrets(request.headers, 'client').done().format()
  expect(text).toContain('P-Asserted-Identity: <sip:a@x>')
  expect(text).not.toMatch(/P-Access-Network-Info|P-Charging-Vector/)
})

test('a client is not told who wants to stay private', () => {
  const secret = sipRequest('INVITE', 'sip:bob@example.com', [...LINES, 'Privacy: header; ID'])
  expect(removeSecrets(secret.headers, 'client').done().has(H['P-Asserted-Identity'])).toBe(false)
})

test('a response with nothing to hide is passed on as it is', () => {
  const plain = response('Server')
  expect(responseTowards(plain, 'client')).toBe(plain)
  expect(responseFrom(plain, 'client')).toBe(plain)
})

test('claims and secrets are taken out under any spelling', () => {
  expect(responseFrom(response('p-asserted-IDENTITY'), 'client').format()).not.toContain('something')
  expect(responseTowards(response('p-charging-vector'), 'client').format()).not.toContain('something')
})

describe('the trust table', () => {
  const every = Object.keys(H)
    .filter(name => name !== 'Other')
    .map(name => [name, H[name as keyof typeof H]] as const)
  const all = every.reduce((edit, [, id]) => edit.append(id, 'x'), Headers.none.edit()).done()
  const missing = (left: Headers): string[] => every.filter(([, id]) => !left.has(id)).map(([name]) => name)

  test.each([
    [
      'from a client',
      removeClaims(all.edit(), 'client'),
      [
        ...['P-Asserted-Identity', 'P-Asserted-Service', 'P-Associated-URI', 'P-Called-Party-ID'],
        ...['P-Charging-Function-Addresses', 'P-Charging-Vector', 'P-Media-Authorization'],
        ...['P-Private-Network-Indication', 'P-Profile-Key', 'P-Served-User', 'P-Visited-Network-ID', 'Path'],
        ...['Security-Client', 'Security-Server', 'Security-Verify', 'Service-Route'],
      ],
    ],
    [
      'to a client',
      removeSecrets(all, 'client'),
      [
        ...['Authorization', 'P-Access-Network-Info', 'P-Asserted-Service', 'P-Charging-Function-Addresses'],
        ...['P-Charging-Vector', 'P-Private-Network-Indication', 'P-Profile-Key', 'P-Served-User'],
        ...['P-Visited-Network-ID', 'Proxy-Authorization', 'Security-Client', 'Security-Server'],
        'Security-Verify',
      ],
    ],
    [
      'from a trunk',
      removeClaims(all.edit(), 'trunk'),
      [
        ...['Authorization', 'P-Access-Network-Info', 'P-Asserted-Service', 'P-Associated-URI'],
        ...['P-Called-Party-ID', 'P-Charging-Function-Addresses', 'P-Charging-Vector', 'P-Early-Media'],
        ...['P-Media-Authorization', 'P-Private-Network-Indication', 'P-Profile-Key', 'P-Served-User'],
        ...['P-Visited-Network-ID', 'Path', 'Proxy-Authorization', 'Security-Client', 'Security-Server'],
        ...['Security-Verify', 'Service-Route'],
      ],
    ],
    [
      'to a trunk',
      removeSecrets(all, 'trunk'),
      [
        ...['Authorization', 'P-Access-Network-Info', 'P-Asserted-Service', 'P-Charging-Function-Addresses'],
        ...['P-Charging-Vector', 'P-Early-Media', 'P-Private-Network-Indication', 'P-Profile-Key'],
        ...['P-Served-User', 'P-Visited-Network-ID', 'Proxy-Authorization', 'Security-Client'],
        ...['Security-Server', 'Security-Verify'],
      ],
    ],
  ])('%s', (_, edit, taken) => {
    expect(missing(edit.done()).sort()).toEqual(taken)
  })
})
