import { describe, expect, test } from 'vitest'
import { H } from '../sip/header-names.ts'
import { assertService, MMTEL } from './communication-service.ts'
import { sipRequest } from './testing.ts'

const IPTV = 'urn:urn-7:3gpp-service.ims.icsi.iptv'
const AUDIO = 'v=0\r\nm=audio 4000 RTP/AVP 8\r\n'
const GAME = 'v=0\r\nm=application 4000 UDP/GAME 0\r\n'

function asserted(
  preferred: string | undefined,
  services: readonly string[] | undefined,
  body = AUDIO,
  method = 'INVITE',
): string | undefined {
  const lines = preferred === undefined ? [] : [`P-Preferred-Service: ${preferred}`]
  const request = sipRequest(method, 'sip:bob@example.com', lines, body)
  const edit = request.headers.edit()
  const profile = { identities: [], filterCriteria: [] }
  assertService(edit, request, services === undefined ? profile : { ...profile, services })
  const headers = edit.done()
  expect(headers.has(H['P-Preferred-Service'])).toBe(false)
  return headers.get(H['P-Asserted-Service'])
}

describe('the service of a user’s request (RFC 6050)', () => {
  test('is what the phone prefers, of those that the profile lists', () => {
    expect(asserted(IPTV, [MMTEL, IPTV])).toBe(IPTV)
    expect(asserted(MMTEL.toUpperCase().replace('URN:URN-7', 'urn:urn-7'), [MMTEL])).toMatch(/MMTEL$/)
    expect(asserted(`${IPTV}, ${MMTEL}`, [MMTEL])).toBe(MMTEL)
  })

  test('is what the request shows, if the phone prefers none or one that it may not have', () => {
    expect(asserted(undefined, [MMTEL])).toBe(MMTEL)
    expect(asserted(IPTV, [MMTEL])).toBe(MMTEL)
  })

  test('is not telephony without its media', () => {
    expect(asserted(MMTEL, [MMTEL], GAME)).toBeUndefined()
    expect(asserted(undefined, [MMTEL], GAME)).toBeUndefined()
    expect(asserted(MMTEL, [MMTEL], '')).toBe(MMTEL)
    expect(asserted(undefined, [MMTEL], 'm=audio in a text', 'MESSAGE')).toBeUndefined()
  })

  test('is not looked for in the requests of users whose profile lists none', () => {
    expect(asserted(undefined, undefined)).toBeUndefined()
    expect(asserted(IPTV, undefined)).toBe(IPTV)
    expect(asserted(undefined, [])).toBeUndefined()
  })

  test('stays what an application server has said', () => {
    const request = sipRequest('INVITE', 'sip:bob@example.com', [`P-Asserted-Service: ${IPTV}`], AUDIO)
    const edit = request.headers.edit()
    assertService(edit, request, { identities: [], filterCriteria: [], services: [MMTEL] })
    expect(edit.done().get(H['P-Asserted-Service'])).toBe(IPTV)
  })

  test.each(['mmtel', '<urn:urn-7:x>', 'sip:a@b', `urn:urn-7:${'x'.repeat(300)}`])(
    'is never %s, which is no service',
    text => {
      expect(asserted(text, undefined)).toBeUndefined()
    },
  )
})
