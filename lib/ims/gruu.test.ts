import { describe, expect, test } from 'vitest'
import type { SipUri } from '../sip/uri.ts'
import { Gruus, instanceOf, publicGruu } from './gruu.ts'
import { uri } from './testing.ts'

const ALICE = 'sip:alice@example.com'
const PHONE = 'urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF'
const PARAMS = `;+sip.instance="<${PHONE}>"`
const gruus = new Gruus('secret')
const registered = { instance: PHONE, callId: 'c1', cseq: 3 }
const binding = { params: PARAMS, callId: 'c1', gruuFrom: 2 }

function sip(text: string | undefined): SipUri {
  const parsed = uri(text ?? '')
  if (parsed.kind !== 'sip') throw new Error(`${text ?? ''} is no SIP URI`)
  return parsed
}

function reaches(gruu: string | undefined, one: Parameters<Gruus['reaches']>[1] = binding): boolean {
  const target = gruus.targetOf(sip(gruu))
  return target !== undefined && gruus.reaches(target, one)
}

describe('a public GRUU (RFC 5627 §3.1.1)', () => {
  test('is the user’s address with the device', () => {
    expect(instanceOf(binding)).toBe(PHONE)
    expect(publicGruu(ALICE, PHONE)).toBe(`${ALICE};gr=${PHONE}`)
  })

  test('has characters escaped that a URI parameter may not have', () => {
    const odd = 'urn:x:a;b="<é>%'
    expect(publicGruu(ALICE, odd)).toBe(`${ALICE};gr=urn:x:a%3Bb%3D%22%3C%E9%3E%25`)
    expect(
      reaches(publicGruu(ALICE, odd), { ...binding, params: ';+sip.instance="<urn:x:a;b=\\"<é>%>"' }),
    ).toBe(true)
  })

  test('reaches its device in any case of letters, and no other', () => {
    expect(reaches(`${ALICE};gr=${PHONE.toLowerCase()}`)).toBe(true)
    expect(reaches(`${ALICE};gr=${PHONE}0`)).toBe(false)
    expect(reaches(`${ALICE};gr=${PHONE}`, { ...binding, params: '' })).toBe(false)
  })

  test('is for SIP addresses and devices only', () => {
    expect(publicGruu('tel:+15551234', PHONE)).toBeUndefined()
    expect(gruus.temporary('tel:+15551234', registered)).toBeUndefined()
    for (const params of ['', ';+sip.instance=""', ';+sip.instance="<>"', ';reg-id=1'])
      expect(instanceOf({ params })).toBeUndefined()
    expect(gruus.targetOf(sip(ALICE))).toBeUndefined()
  })
})

describe('a temporary GRUU (RFC 5627 §3.1.2)', () => {
  const gruu = gruus.temporary(ALICE, registered)

  test('shows nothing of user and device, and leads to both', () => {
    expect(gruu).toMatch(/^sip:tgruu\.[\w-]+@example\.com;gr$/)
    expect(gruu).not.toContain('alice')
    expect(gruus.userOf(sip(gruu))).toBe(ALICE)
    expect(reaches(gruu)).toBe(true)
  })

  test('is another for each REGISTER, and the same for the same one', () => {
    expect(gruus.temporary(ALICE, registered)).toBe(gruu)
    const next = gruus.temporary(ALICE, { ...registered, cseq: 4 })
    expect(next?.slice(0, 20)).not.toBe(gruu?.slice(0, 20))
    expect(reaches(next)).toBe(true)
  })

  test.each([
    ['its device has registered under another Call-ID', { ...binding, callId: 'c2' }],
    ['its device had gone and come again', { ...binding, gruuFrom: 4 }],
    ['its device has not asked for any', { params: PARAMS, callId: 'c1' }],
    ['it is of another device', { ...binding, params: ';+sip.instance="<urn:uuid:2>"' }],
  ])('is good no more when %s', (_what, other) => {
    expect(reaches(gruu, other)).toBe(false)
  })

  test('cannot be made up', () => {
    const own = gruu ?? ''
    const at = own.indexOf('@')
    const changed = ['A', 'B'].map(letter => own.slice(0, at - 4) + letter + own.slice(at - 3))
    const foreign = new Gruus('other').temporary(ALICE, registered)
    const forged = [
      ...changed.filter(each => each !== gruu),
      foreign,
      'sip:tgruu.@h;gr',
      'sip:tgruu.AAAA@h;gr',
    ]
    for (const each of forged) {
      expect(gruus.userOf(sip(each))).toBeUndefined()
      expect(gruus.targetOf(sip(each))).toEqual({ kind: 'unknown' })
      expect(reaches(each)).toBe(false)
    }
  })

  test('is not what only looks like one', () => {
    expect(gruus.userOf(sip('sip:tgruu.x@example.com'))).toBe('sip:tgruu.x@example.com')
    expect(gruus.userOf(sip(`${ALICE};gr`))).toBe(ALICE)
    expect(gruus.targetOf(sip(`${ALICE};gr`))).toEqual({ kind: 'unknown' })
  })
})
