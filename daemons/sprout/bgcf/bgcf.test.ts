import { describe, expect, test } from 'vitest'
import { uri } from '../../../lib/ims/testing.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { openCore } from '../testing.ts'
import type { BgcfRoute } from '../options.ts'
import { bgcf, chooseRoute } from './bgcf.ts'

const ROUTES: readonly BgcfRoute[] = [
  { number: '+44', route: ['sip:uk.example.net;lr'] },
  { number: '+44-20', route: ['sip:london.example.net;lr', 'sip:second.example.net;lr'] },
  { domain: 'Example.org', route: ['sip:org.example.net;lr'] },
]
const ANY: BgcfRoute = { domain: '*', route: ['<sip:any.example.net;lr>'] }

function chosen(text: string, routes = ROUTES): string {
  const choice = chooseRoute(routes, uri(text), openCore().core)
  return choice.kind === 'route' ? (choice.route[0] ?? '') : choice.kind
}

describe('the choice', () => {
  test.each([
    ['the longest prefix of a number', 'tel:+44-20-5550', 'sip:london.example.net;lr'],
    ['a shorter one', 'tel:+441615550', 'sip:uk.example.net;lr'],
    ['a number in a SIP URI', 'sip:+44(20)5550@example.com;user=phone', 'sip:london.example.net;lr'],
    ['the routing number before the number', 'tel:+15551234;rn=+4420;npdi', 'sip:london.example.net;lr'],
    ['the domain', 'sip:carol@EXAMPLE.ORG', 'sip:org.example.net;lr'],
    ['no number', 'tel:+15551234', 'no-route'],
    ['another domain', 'sip:carol@example.net', 'by-host'],
    ['no SIP URI', 'urn:service:sos', 'no-route'],
  ])('%s', (_what, text, expected) => {
    expect(chosen(text)).toBe(expected)
  })

  test('the default is for numbers and domains, not for routing numbers', () => {
    expect(chosen('tel:+15551234', [...ROUTES, ANY])).toBe('<sip:any.example.net;lr>')
    expect(chosen('sip:carol@example.net', [...ROUTES, ANY])).toBe('<sip:any.example.net;lr>')
    expect(chosen('tel:+15551234;rn=+1999', [...ROUTES, ANY])).toBe('no-route')
  })
})

describe('a request', () => {
  const routed = async (target: string, bgcfRoutes: readonly BgcfRoute[] = ROUTES) => {
    const opened = openCore({ bgcfRoutes })
    const lines = ['Route: <sip:bgcf.sprout.example.com;transport=TCP;lr>']
    return { ...opened, exchange: await opened.run(bgcf, 'INVITE', target, lines) }
  }

  test('visits the routes one after the other', async () => {
    const { sender } = await routed('tel:+44205550')
    expect(sender.only.request.headers.list(H.Route)).toEqual([
      '<sip:london.example.net;lr>',
      '<sip:second.example.net;lr>',
    ])
    expect(sender.only.to).toBe('sip:london.example.net;lr')
    expect(sender.only.request.headers.has(H['Record-Route'])).toBe(false)
  })

  test('for a domain without a route goes where its DNS says', async () => {
    const { sender } = await routed('sip:carol@example.net')
    expect(sender.only.to).toBe('sip:carol@example.net')
    expect(sender.only.request.headers.has(H.Route)).toBe(false)
  })

  test.each(['tel:+15551234', 'sip:nobody@example.com'])('%s ends here: 404', async target => {
    const { exchange, sender } = await routed(target)
    expect([exchange.final.status, exchange.final.reason]).toEqual([404, 'No route to target'])
    expect(sender.sent).toEqual([])
  })

  test('500 when the route is no SIP URI', async () => {
    const { exchange } = await routed('sip:x@example.net', [
      { domain: '*', route: ['sip:ok;lr', 'nonsense'] },
    ])
    expect(exchange.statuses).toEqual([500])
  })
})

describe('portability', () => {
  async function routedBy(entry: string, target = 'tel:+15551234'): Promise<{ to: string; uri: string }> {
    const opened = openCore({ bgcfRoutes: [...ROUTES, ANY] }, undefined, { lookup: async () => entry })
    await opened.run(bgcf, 'INVITE', target)
    return { to: opened.sender.only.to, uri: opened.sender.only.request.uri }
  }

  test('is looked up: a routing number chooses the route and goes along', async () => {
    const ported = 'sip:+15551234;rn=+4420;npdi@example.com'

    expect(await routedBy(ported)).toEqual({ to: 'sip:london.example.net;lr', uri: ported })
  })

  test('is all that is asked for: an address does not change where the call goes', async () => {
    expect(await routedBy('sip:bob@example.org')).toEqual({
      to: 'sip:any.example.net;lr',
      uri: 'tel:+15551234',
    })
  })

  test('is known where the request says so', async () => {
    const known = 'tel:+15551234;rn=+441;npdi'

    expect(await routedBy('sip:+15551234;rn=+4420;npdi@example.com', known)).toEqual({
      to: 'sip:uk.example.net;lr',
      uri: known,
    })
  })
})
