import { describe, expect, test } from 'vitest'
import type { Binding } from '../store/registration-store.ts'
import { callerPreferences, forkingWish, matchingContacts } from './caller-preferences.ts'
import { sipRequest } from './testing.ts'

function contact(name: string, params = ''): Binding {
  const common = { callId: 'c', cseq: 1, expiresAt: 0, q: 1, paths: [], impi: 'a@h', emergency: false }
  return { ...common, key: name, uri: `sip:${name}@h`, params }
}

/** The contacts that are left, those with `?` that the caller would rather not have. */
function left(lines: readonly string[], contacts: readonly Binding[], method = 'INVITE'): readonly string[] {
  const preferences = callerPreferences(sipRequest(method, 'sip:bob@h', lines))
  return matchingContacts(contacts, preferences).map(({ binding, preferred }) =>
    preferred ? binding.key : `${binding.key}?`,
  )
}

const MOBILE = contact('mobile', ';mobility="mobile";audio;methods="INVITE,BYE,MESSAGE"')
const DESK = contact('desk', ';mobility="fixed";audio;video;methods="INVITE,BYE"')
const PLAIN = contact('plain')
const ALL = [MOBILE, DESK, PLAIN]

describe('Accept-Contact (RFC 3841 §7.2.4)', () => {
  test.each<[string, string, string[]]>([
    ['a wish sets others back', '*;mobility="mobile"', ['mobile', 'desk?', 'plain']],
    ['with require they are out', '*;mobility="mobile";require', ['mobile', 'plain']],
    ['what is not declared may be there', '*;video;require', ['mobile', 'desk', 'plain']],
    ['with explicit it is not', '*;video;explicit', ['mobile?', 'desk', 'plain']],
    ['with both it is out', '*;video;explicit;require', ['desk', 'plain']],
    ['a negation', '*;mobility="!fixed";require', ['mobile', 'plain']],
    ['one of several', '*;methods="MESSAGE,OPTIONS";require', ['mobile', 'plain']],
    ['all of several values', '*;audio;require, *;video;explicit;require', ['desk', 'plain']],
    ['a flag that is false', '*;audio="FALSE";require', ['plain']],
    ['names and values in any case', '*;MOBILITY="Mobile";Require', ['mobile', 'plain']],
    ['unknown parameters are no features', '*;foo=bar;explicit;require', ['mobile', 'desk', 'plain']],
    ['nonsense', 'mobility="mobile";require', ['mobile', 'desk', 'plain']],
  ])('%s: %s', (_what, value, expected) => {
    expect(left([`Accept-Contact: ${value}`], ALL)).toEqual(expected)
  })

  test.each<[string, string, boolean]>([
    ['#=4', '#5:10', false],
    ['#=5', '#5:10', true],
    ['#=5', '#=5', true],
    ['#>=3', '#2:4', true],
    ['#<=3', '#>=4', false],
    ['#-2:2', '!#=0', true],
    ['#=0', '!#=0', false],
    ['<a b>', '<a b>', true],
    ['<a b>', '<A B>', false],
    ['x,y', '!x', true],
    ['x', '!x', false],
    ['!x', '!y', true],
    ['#>=x', '#=1', false],
  ])('values %s and %s', (declared, wanted, agree) => {
    const only = contact('one', `;+a.b="${declared}"`)
    expect(left([`Accept-Contact: *;+a.b="${wanted}";require`], [only])).toEqual(agree ? ['one'] : [])
  })

  test('tags of IMS services, as TS 24.229 has them asked for', () => {
    const icsi = '+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mmtel"'
    const phones = [contact('volte', `;${icsi};audio`), contact('voip', ';audio')]
    expect(left([`Accept-Contact: *;${icsi};require;explicit`], phones)).toEqual(['volte'])
  })

  test('no more of them are looked at than any caller has', () => {
    const many = Array.from({ length: 5000 }, () => '*;audio').join(', ')
    expect(
      callerPreferences(sipRequest('INVITE', 'sip:b@h', [`Accept-Contact: ${many}`])).wishes,
    ).toHaveLength(20)
  })
})

describe('without Accept-Contact (§7.2.2)', () => {
  const chat = contact('chat', ';methods="MESSAGE"')
  const watcher = contact('watcher', ';methods="SUBSCRIBE";events="presence"')

  test('a phone must take the method, if it tells of methods', () => {
    expect(left([], [chat, MOBILE, PLAIN])).toEqual(['mobile', 'plain'])
    expect(left([], [chat, MOBILE, PLAIN], 'MESSAGE')).toEqual(['chat', 'mobile', 'plain'])
  })

  test('and the event of a SUBSCRIBE', () => {
    expect(left(['Event: presence'], [watcher], 'SUBSCRIBE')).toEqual(['watcher'])
    expect(left(['Event: dialog'], [watcher], 'SUBSCRIBE')).toEqual([])
  })
})

describe('Reject-Contact (§7.2.3)', () => {
  test.each<[string, string, string[]]>([
    ['what is declared so is out', '*;mobility="mobile"', ['desk', 'plain']],
    ['what is not declared stays', '*;video', ['mobile', 'plain']],
    ['all of it must be so', '*;audio;mobility="fixed"', ['mobile', 'plain']],
    ['nothing in particular', '*', ['mobile', 'desk', 'plain']],
  ])('%s: %s', (_what, value, expected) => {
    expect(left([`Reject-Contact: ${value}`], ALL)).toEqual(expected)
  })
})

describe('Request-Disposition (§9.1)', () => {
  test.each([
    [[], 'parallel'],
    [['Request-Disposition: no-fork'], 'no-fork'],
    [['d: proxy, SEQUENTIAL'], 'sequential'],
    [['Request-Disposition: parallel, no-cancel'], 'parallel'],
    [['Request-Disposition: sequential', 'Request-Disposition: no-fork'], 'no-fork'],
  ])('%j: %s', (lines, wish) => {
    expect(forkingWish(sipRequest('INVITE', 'sip:b@h', lines))).toBe(wish)
  })
})
