import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CachedDns, dnsServers } from '../../lib/dns/cached-dns.ts'
import { addressLookup } from '../../lib/dns/machine-dns.ts'
import type { DnsQueries } from '../../lib/dns/queries.ts'
import { SipResolver } from '../../lib/dns/sip-resolver.ts'
import { DnsStub } from '../../lib/dns/stub.ts'
import { seconds, TestClock, TimerWheel } from '../../lib/kit/clock.ts'
import { parseUri } from '../../lib/sip/uri.ts'
import { Bind } from '../support/bind.ts'
import { waitUntil } from '../support/wait.ts'

/** The zone of the manual (8.28), and what makes trouble. */
const ZONE = `
bono-1 IN A 192.0.2.1
bono-2 IN A 192.0.2.2
@ IN A 192.0.2.1
@ IN A 192.0.2.2
@ IN NAPTR 1 1 "S" "SIP+D2T" "" _sip._tcp
@ IN NAPTR 2 1 "S" "SIP+D2U" "" _sip._udp
_sip._tcp IN SRV 0 0 5060 bono-1
_sip._tcp IN SRV 1 0 5060 bono-2
_sip._udp IN SRV 0 0 5060 bono-1
sprout-1 IN A 192.0.2.11
sprout-1 IN AAAA 2001:db8::11
sprout-2 IN A 192.0.2.12
scscf.sprout IN A 192.0.2.11
scscf.sprout IN A 192.0.2.12
_sip._tcp.scscf.sprout IN SRV 0 0 5054 sprout-1
_sip._tcp.scscf.sprout IN SRV 1 0 5054 sprout-2
hs 2 IN A 192.0.2.21
hs 2 IN A 192.0.2.22
alias IN CNAME hs
around IN CNAME and-around
and-around IN CNAME around
7.2.0.5.5.5.2.1.2.1.e164 IN NAPTR 1 1 "u" "E2U+sip" "!(^.*$)!sip:\\\\1@example.com!" .
${Array.from({ length: 60 }, (_, i) => `_sip._tcp.wide IN SRV ${i} 0 5060 a-host-with-a-long-name-${i}\na-host-with-a-long-name-${i} IN A 192.0.2.${i + 100}`).join('\n')}
`

let bind: Bind
beforeAll(async () => {
  bind = await Bind.start('example.test', ZONE)
})
afterAll(async () => {
  await bind[Symbol.asyncDispose]()
})

async function resolve(
  text: string,
  family: 4 | 6 = 4,
  dns: DnsQueries = dnsServers({ servers: [bind.server] }),
) {
  const uri = parseUri(text)
  if (uri?.kind !== 'sip') throw new Error(text)
  const targets = await new SipResolver({ family, dns }).resolve(uri)
  return targets.map(({ transport, address, port }) => `${transport} ${address} ${port}`)
}

describe('the zone of the manual, on a real BIND', () => {
  test('leads a phone to the edge by NAPTR', async () => {
    expect(await resolve('sip:example.test')).toEqual(['TCP 192.0.2.1 5060', 'TCP 192.0.2.2 5060'])
  })

  test('leads a P-CSCF to the S-CSCF on its port', async () => {
    expect(await resolve('sip:scscf.sprout.example.test;transport=tcp')).toEqual([
      'TCP 192.0.2.11 5054',
      'TCP 192.0.2.12 5054',
    ])
    expect(await resolve('sip:scscf.sprout.example.test;transport=tcp', 6)).toEqual(['TCP 2001:db8::11 5054'])
  })

  test('gives HTTP clients every address of a name, and of what it is an alias of', async () => {
    const lookup = addressLookup(dnsServers({ servers: [bind.server] }), 4)

    expect([...(await lookup('hs.example.test'))].sort()).toEqual(['192.0.2.21', '192.0.2.22'])
    expect([...(await lookup('alias.example.test'))].sort()).toEqual(['192.0.2.21', '192.0.2.22'])
  })

  test('has numbers for ENUM', async () => {
    const dns = dnsServers({ servers: [bind.server] })

    expect(await dns.resolveNaptr('7.2.0.5.5.5.2.1.2.1.e164.example.test')).toMatchObject([
      { service: 'E2U+sip', flags: 'u', regexp: '!(^.*$)!sip:\\1@example.com!' },
    ])
  })

  test('may have more records than a datagram holds', async () => {
    const dns = dnsServers({ servers: [bind.server] })

    expect(await dns.resolveSrv('_sip._tcp.wide.example.test')).toHaveLength(60)
    expect(await resolve('sip:wide.example.test;transport=tcp', 4, dns)).toHaveLength(5)
  })

  test('leads nowhere where it turns in a circle, or refuses', async () => {
    expect(await resolve('sip:around.example.test')).toEqual([])
    expect(await resolve('sip:elsewhere.example.org')).toEqual([])
  })
})

test('a change of the zone is followed, and its last word kept while BIND is away', async () => {
  const clock = new TestClock()
  const wheel = new TimerWheel(() => undefined)
  const dns = new CachedDns(new DnsStub({ servers: [bind.server], clock: wheel }), clock)
  const hs = async (): Promise<string> => [...(await dns.resolve4('hs.example.test'))].sort().join(' ')

  expect(await hs()).toBe('192.0.2.21 192.0.2.22')
  await bind.change(ZONE.replace('hs 2 IN A 192.0.2.22', ''))
  expect(await hs()).toBe('192.0.2.21 192.0.2.22')
  clock.advance(seconds(3))
  expect(await hs()).toBe('192.0.2.21')

  await bind.stop()
  clock.advance(seconds(3600))
  expect(await hs()).toBe('192.0.2.21')

  await bind.run()
  await bind.change(ZONE)
  await waitUntil('the new addresses', async () => {
    clock.advance(seconds(31))
    return (await hs()) === '192.0.2.21 192.0.2.22'
  })
  wheel.close()
})
