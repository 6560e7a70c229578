import { describe, expect, test } from 'vitest'
import { authParam, parseCredentials } from '../../lib/sip/credentials.ts'
import { H } from '../../lib/sip/header-names.ts'
import type { SipMessage, SipRequest } from '../../lib/sip/message.ts'
import { parseNameAddr } from '../../lib/sip/name-addr.ts'
import { param } from '../../lib/sip/params.ts'
import { parseSip } from '../../lib/sip/parse.ts'
import { parseUri, uriParam, type SipUri } from '../../lib/sip/uri.ts'
import { isSipDate, parseContact, parseTokens } from '../../lib/sip/values.ts'
import { branchOf, parseVia, receivedOf } from '../../lib/sip/via.ts'
import { RFC4475_CASES } from './rfc4475/cases.ts'
import { RFC5118_CASES } from './rfc5118/cases.ts'
import { loadCase } from './torture.ts'

function message(file: string): SipMessage {
  const result = parseSip(loadCase(file).toString('latin1'))
  if (!result.ok) throw new Error(`${file}: ${result.why}`)
  return result.message
}

function request(file: string): SipRequest {
  const parsed = message(file)
  if (parsed.kind !== 'request') throw new Error(`${file} is a response`)
  return parsed
}

function sip(text: string | undefined): SipUri {
  const uri = text === undefined ? undefined : parseUri(text)
  if (uri?.kind !== 'sip') throw new Error(`${text ?? 'nothing'} is no sip URI`)
  return uri
}

const wellFormed = [...RFC4475_CASES, ...RFC5118_CASES].filter(row => row.expect[0] === 'handled')

test.each(wellFormed)('$section $title: every value in it can be read', ({ file }) => {
  const parsed = message(file)
  for (const via of parsed.headers.list(H.Via)) expect(parseVia(via), via).toBeDefined()
  for (const contact of parsed.headers.list(H.Contact)) expect(parseContact(contact), contact).toBeDefined()
  for (const address of [parsed.from, parsed.to]) expect(parseUri(address?.uri ?? '')).toBeDefined()
  for (const route of parsed.headers.list(H.Route)) sip(parseNameAddr(route)?.uri)
  if (parsed.kind === 'request') expect(parsed.parsedUri).toBeDefined()
})

describe('what the messages of RFC 4475 mean', () => {
  test('wsinv: folds and white space vanish, escapes in quotes resolve', () => {
    const invite = request('rfc4475/wsinv.dat')
    expect(invite.cseq).toEqual({ number: 9, method: 'INVITE' })
    expect([invite.fromTag, invite.toTag]).toEqual(['98asjd8', '1918181833n'])
    expect(invite.from?.display).toBe('J Rosenberg \\"')
    expect(invite.headers.list(H.Via).map(text => branchOf(parseVia(text) ?? fail()))).toEqual([
      '390skdjuw',
      'z9hG4bK9ikj8',
      'z9hG4bK30239',
    ])
    const contact = parseContact(invite.headers.top(H.Contact) ?? '')
    expect(contact).toMatchObject({
      address: { display: 'Quoted string ""', uri: 'sip:jdrosen@example.com' },
      q: 0.33,
    })
  })

  test('intmeth: unusual characters are kept', () => {
    const odd = request('rfc4475/intmeth.dat')
    expect(odd.to?.display).toBe('BEL:\x07 NUL:\0 DEL:\x7f')
    expect(sip(odd.uri).password).toBe("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
    const utf8 = param(odd.from?.params ?? '', "fromParam''~+*_!.-%")
    expect(Buffer.from(utf8 ?? '', 'latin1').toString()).toBe('"работающий"')
  })

  test('esc01: an escaped lr is lr', () => {
    const contact = parseContact(request('rfc4475/esc01.dat').headers.top(H.Contact) ?? '')
    const uri = sip(contact?.kind === 'address' ? contact.address.uri : undefined)
    expect([uriParam(uri, 'lr'), uriParam(uri, 'name')]).toEqual(['', 'v%61lue%25%34%31'])
  })

  test('esc02: a percent sign in a header name is no escape', () => {
    expect(request('rfc4475/esc02.dat').headers.list(H.Contact)).toHaveLength(2)
  })

  test('longreq, dblreq, semiuri, mpart01', () => {
    expect(request('rfc4475/longreq.dat').headers.list(H.Via)).toHaveLength(34)
    expect(request('rfc4475/dblreq.dat').body).toBe('')
    expect(sip(request('rfc4475/semiuri.dat').uri).user).toBe('user;par=u%40example.net')
    expect(request('rfc4475/mpart01.dat').body).toHaveLength(553)
  })

  test('escruri, baddate, regbadct: what is malformed is seen by who reads it', () => {
    expect(sip(request('rfc4475/escruri.dat').uri).headers).not.toBe('')
    expect(isSipDate(request('rfc4475/baddate.dat').headers.get(H.Date) ?? '')).toBe(false)
    expect(parseContact(request('rfc4475/regbadct.dat').headers.get(H.Contact) ?? '')).toBeUndefined()
  })

  test('bext01, regaut01', () => {
    const required = request('rfc4475/bext01.dat').headers.get(H['Proxy-Require'])
    expect(parseTokens(required ?? '')).toEqual(['noProxiesSupportThis', 'norDoAnyProxiesSupportThis'])
    const credentials = parseCredentials(request('rfc4475/regaut01.dat').headers.get(H.Authorization) ?? '')
    expect(credentials && authParam(credentials, 'opaque-data')).toBe('here')
  })

  test('cparam01, cparam02, regescrt: whose the parameter is', () => {
    const contactOf = (file: string) => {
      const contact = parseContact(request(file).headers.top(H.Contact) ?? '')
      return contact?.kind === 'address' ? contact.address : fail()
    }
    expect(contactOf('rfc4475/cparam01.dat').params).toBe(';unknownparam')
    expect(sip(contactOf('rfc4475/cparam02.dat').uri).params).toBe(';unknownparam')
    expect(sip(contactOf('rfc4475/regescrt.dat').uri).headers).toBe('?Route=%3Csip:sip.example.com%3E')
  })
})

describe('what the messages of RFC 5118 mean', () => {
  test('brackets tell address from port', () => {
    expect(parseUri(request('rfc5118/ipv6-bad.dat').uri)).toBeUndefined()
    expect(sip(request('rfc5118/port-ambiguous.dat').uri)).toMatchObject({
      host: '[2001:db8::10:5070]',
      port: undefined,
    })
    expect(sip(request('rfc5118/port-unambiguous.dat').uri)).toMatchObject({
      host: '[2001:db8::10]',
      port: 5070,
    })
  })

  test('received is the same with and without brackets', () => {
    for (const name of ['with-delim', 'no-delim']) {
      const via = request(`rfc5118/via-received-param-${name}.dat`).topVia
      expect(receivedOf(via ?? fail())).toBe('2001:db8::9:255')
    }
  })
})

function fail(): never {
  throw new Error('missing')
}
