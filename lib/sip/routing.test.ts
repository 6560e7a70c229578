import { describe, expect, test } from 'vitest'
import { H } from './header-names.ts'
import { nextHopOf, sipUriOf, topRoute, withoutOwnRoute } from './routing.ts'
import { request } from './testing.ts'
import { uriParam, type SipUri } from './uri.ts'

const isOwn = (uri: SipUri): boolean => uri.host === 'us'

/** The request, routed: its Request-URI and the Routes that are left, and our own one. */
function routed(uri: string, ...routes: string[]) {
  const prepared = withoutOwnRoute(request({ uri, headers: routes.map(route => `Route: ${route}`) }), isOwn)
  return {
    uri: prepared.request.uri,
    routes: prepared.request.headers.list(H.Route),
    own: prepared.own?.params,
  }
}

describe('the URI of a Route', () => {
  test.each([
    ['<sip:p.example.com;lr>', 'p.example.com'],
    ['"P" <sip:p.example.com;lr>;x=y', 'p.example.com'],
    ['sip:p.example.com', 'p.example.com'],
    ['<tel:+1650>', undefined],
    ['<sip:p', undefined],
    ['<>', undefined],
    ['', undefined],
  ])('%s is at %s', (value, host) => {
    expect(sipUriOf(value)?.host).toBe(host)
  })
})

describe('our own Route (RFC 3261 §16.4)', () => {
  test('is taken off the top and handed over with its parameters', () => {
    expect(routed('sip:bob@b', '<sip:token@us;lr;orig>', '<sip:p;lr>')).toEqual({
      uri: 'sip:bob@b',
      routes: ['<sip:p;lr>'],
      own: ';lr;orig',
    })
  })

  test('stays when it is not on top', () => {
    expect(routed('sip:bob@b', '<sip:p;lr>, <sip:us;lr>')).toEqual({
      uri: 'sip:bob@b',
      routes: ['<sip:p;lr>', '<sip:us;lr>'],
      own: undefined,
    })
  })

  test('is taken off once: a second one is another hop through us', () => {
    expect(routed('sip:bob@b', '<sip:us;lr;1>, <sip:us;lr;2>')).toMatchObject({
      routes: ['<sip:us;lr;2>'],
      own: ';lr;1',
    })
  })

  test('that is malformed or no SIP URI is left to whoever routes', () => {
    expect(routed('sip:bob@b', '<tel:+1>')).toMatchObject({ routes: ['<tel:+1>'], own: undefined })
    expect(routed('sip:bob@b')).toEqual({ uri: 'sip:bob@b', routes: [], own: undefined })
  })

  test('in the Request-URI was put there by a strict router: the last Route is the target', () => {
    expect(routed('sip:us;lr', '<sip:p;lr>', '"Bob" <sip:bob@b;x=y>')).toEqual({
      uri: 'sip:bob@b;x=y',
      routes: ['<sip:p;lr>'],
      own: undefined,
    })
    expect(routed('sip:us;lr', '<sip:bob@b>')).toEqual({ uri: 'sip:bob@b', routes: [], own: undefined })
  })

  test('may stand behind a strict router and on top', () => {
    expect(routed('sip:us;lr;1', '<sip:us;lr;2>', '<sip:bob@b>')).toEqual({
      uri: 'sip:bob@b',
      routes: [],
      own: ';lr;2',
    })
  })

  test('in the Request-URI without lr or without Routes is a target as any other', () => {
    expect(routed('sip:us', '<sip:p;lr>').uri).toBe('sip:us')
    expect(routed('sip:us;lr').uri).toBe('sip:us;lr')
    expect(routed('sip:us;lr', '<sip:open').uri).toBe('sip:us;lr')
  })

  test('is looked for once, however many of them a hostile request piles up', () => {
    let asked = 0
    const own = '<sip:us;lr>'
    const hostile = request({ uri: 'sip:us;lr', headers: [`Route: ${new Array(3000).fill(own).join(',')}`] })

    const { request: left } = withoutOwnRoute(hostile, uri => {
      asked++
      return isOwn(uri)
    })

    expect(left.headers.list(H.Route)).toHaveLength(2998)
    expect(asked).toBe(2)
  })
})

describe('the next hop', () => {
  const hostOf = (uri: string, ...headers: string[]) => nextHopOf(request({ uri, headers }))?.uri.host

  test('is the topmost Route, else the Request-URI', () => {
    expect(hostOf('sip:bob@b', 'Route: <sip:p1;lr>, <sip:p2;lr>')).toBe('p1')
    expect(hostOf('sip:bob@b')).toBe('b')
  })

  test('is nowhere when that is not a SIP URI', () => {
    expect(hostOf('tel:+1650')).toBeUndefined()
    expect(hostOf('sip:bob@b', 'Route: <tel:+1>')).toBeUndefined()
  })

  test('has the parameters of its Route', () => {
    const top = topRoute(request({ headers: ['Route: <sip:p;lr;transport=tcp>'] }))

    expect(top === undefined ? undefined : uriParam(top, 'transport')).toBe('tcp')
  })
})
