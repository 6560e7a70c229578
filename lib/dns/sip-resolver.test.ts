import { describe, expect, test } from 'vitest'
import { parseUri } from '../sip/uri.ts'
import type { DnsQueries } from './queries.ts'
import { SipResolver, type SipResolverOptions } from './sip-resolver.ts'

type Srv = Awaited<ReturnType<DnsQueries['resolveSrv']>>[number]
type Naptr = Awaited<ReturnType<DnsQueries['resolveNaptr']>>[number]

interface Zone {
  readonly a?: Readonly<Record<string, string[]>>
  readonly aaaa?: Readonly<Record<string, string[]>>
  readonly srv?: Readonly<Record<string, Srv[]>>
  readonly naptr?: Readonly<Record<string, Naptr[]>>
}

/** A name server that knows one zone and notes what it was asked. */
function serving(zone: Zone): { readonly dns: DnsQueries; readonly asked: string[] } {
  const asked: string[] = []
  const from = async <T>(
    type: string,
    records: Readonly<Record<string, T[]>> | undefined,
    name: string,
  ): Promise<T[]> => {
    asked.push(`${type} ${name}`)
    const found = records?.[name]
    if (found === undefined) throw new Error('ENOTFOUND')
    return found
  }
  return {
    asked,
    dns: {
      resolve4: name => from('A', zone.a, name),
      resolve6: name => from('AAAA', zone.aaaa, name),
      resolveSrv: name => from('SRV', zone.srv, name),
      resolveNaptr: name => from('NAPTR', zone.naptr, name),
    },
  }
}

const srv = (name: string, port: number, priority = 1, weight = 0): Srv => ({ name, port, priority, weight })
const naptr = (service: string, replacement: string, order = 1, preference = 1, flags = 'S'): Naptr => ({
  flags,
  service,
  regexp: '',
  replacement,
  order,
  preference,
})

async function resolve(text: string, zone: Zone, options: Partial<SipResolverOptions> = {}) {
  const { dns, asked } = serving(zone)
  const uri = parseUri(text)
  if (uri?.kind !== 'sip') throw new Error(text)
  const resolver = new SipResolver({ family: 4, random: () => 0.5, dns, ...options })
  const targets = await resolver.resolve(uri)
  return { targets: targets.map(({ transport, address, port }) => `${transport} ${address}:${port}`), asked }
}

test('a name with a usual port of its own has it where no SRV record says another', async () => {
  const usualPorts = new Map([['scscf.h', 5054]])
  const a = { 'scscf.h': ['192.0.2.1'] }
  const uri = 'sip:scscf.h;transport=tcp'

  const without = await resolve(uri, { a }, { usualPorts })
  const withRecord = await resolve(
    uri,
    { a, srv: { '_sip._tcp.scscf.h': [srv('scscf.h', 5064)] } },
    { usualPorts },
  )

  expect(without.targets).toEqual(['TCP 192.0.2.1:5054'])
  expect(withRecord.targets).toEqual(['TCP 192.0.2.1:5064'])
})

describe('a host with a port', () => {
  test('is looked up by address only, over UDP unless the URI says otherwise', async () => {
    const zone = { a: { h: ['192.0.2.1'] } }

    expect(await resolve('sip:h:5070', zone)).toEqual({ targets: ['UDP 192.0.2.1:5070'], asked: ['A h'] })
    expect((await resolve('sip:h:5070;transport=tcp', zone)).targets).toEqual(['TCP 192.0.2.1:5070'])
  })

  test('is asked for in the family of the deployment', async () => {
    const zone = { a: { h: ['192.0.2.1'] }, aaaa: { h: ['2001:db8::1'] } }

    expect(await resolve('sip:h:5070', zone, { family: 6 })).toEqual({
      targets: ['UDP 2001:db8::1:5070'],
      asked: ['AAAA h'],
    })
  })
})

describe('a host with a transport', () => {
  test('is looked up by SRV of that transport', async () => {
    const zone = { srv: { '_sip._tcp.h': [srv('s', 5062)] }, a: { s: ['192.0.2.2'] } }

    expect(await resolve('sip:h;transport=TCP', zone)).toEqual({
      targets: ['TCP 192.0.2.2:5062'],
      asked: ['SRV _sip._tcp.h', 'A s'],
    })
  })

  test('without SRV has port 5060', async () => {
    expect((await resolve('sip:h;transport=tcp', { a: { h: ['192.0.2.1'] } })).targets).toEqual([
      'TCP 192.0.2.1:5060',
    ])
  })

  test.each(['tls', 'sctp', 'ws'])('%s is nowhere', async transport => {
    expect(await resolve(`sip:h;transport=${transport}`, { a: { h: ['192.0.2.1'] } })).toEqual({
      targets: [],
      asked: [],
    })
  })
})

describe('a host alone (RFC 3263 §4.1)', () => {
  test('has its transport chosen by NAPTR, by order and then preference', async () => {
    const zone = {
      naptr: {
        h: [
          naptr('SIP+D2U', 'udp.h', 2),
          naptr('SIPS+D2T', 'tls.h', 0),
          naptr('SIP+D2T', 'second.h', 1, 2),
          naptr('sip+d2t', 'first.h', 1, 1, 's'),
        ],
      },
      srv: { 'first.h': [srv('s', 5062)] },
      a: { s: ['192.0.2.2'] },
    }

    expect(await resolve('sip:h', zone)).toEqual({
      targets: ['TCP 192.0.2.2:5062'],
      asked: ['NAPTR h', 'SRV first.h', 'A s'],
    })
  })

  test('takes the next NAPTR when the first leads nowhere', async () => {
    const zone = {
      naptr: { h: [naptr('SIP+D2T', 'empty.h', 1), naptr('SIP+D2U', 'full.h', 2)] },
      srv: { 'full.h': [srv('s', 5062)] },
      a: { s: ['192.0.2.2'] },
    }

    expect((await resolve('sip:h', zone)).targets).toEqual(['UDP 192.0.2.2:5062'])
  })

  test('goes to the address itself where NAPTR has flag A', async () => {
    const zone = { naptr: { h: [naptr('SIP+D2T', 's', 1, 1, 'a')] }, a: { s: ['192.0.2.2'] } }

    expect((await resolve('sip:h', zone)).targets).toEqual(['TCP 192.0.2.2:5060'])
  })

  test('without NAPTR is looked up by SRV for UDP, then TCP, then by address', async () => {
    const both = {
      srv: { '_sip._udp.h': [srv('u', 1)], '_sip._tcp.h': [srv('t', 2)] },
      a: { u: ['192.0.2.1'], t: ['192.0.2.2'] },
    }
    const tcp = { srv: { '_sip._tcp.h': [srv('t', 2)] }, a: { t: ['192.0.2.2'] } }

    expect((await resolve('sip:h', both)).targets).toEqual(['UDP 192.0.2.1:1'])
    expect((await resolve('sip:h', tcp)).targets).toEqual(['TCP 192.0.2.2:2'])
    expect(await resolve('sip:h', { a: { h: ['192.0.2.3'] } })).toEqual({
      targets: ['UDP 192.0.2.3:5060'],
      asked: ['NAPTR h', 'SRV _sip._udp.h', 'SRV _sip._tcp.h', 'A h'],
    })
  })

  test('that nobody knows is nowhere, and no rejection', async () => {
    expect((await resolve('sip:h', {})).targets).toEqual([])
  })
})

describe('several records', () => {
  const a = Object.fromEntries('abcdefgh'.split('').map((name, i) => [name, [`192.0.2.${i}`]]))

  test('go by priority', async () => {
    const zone = { a, srv: { '_sip._udp.h': [srv('a', 5060, 3), srv('b', 5060, 1), srv('c', 5060, 2)] } }

    expect((await resolve('sip:h;transport=udp', zone)).targets).toEqual([
      'UDP 192.0.2.1:5060',
      'UDP 192.0.2.2:5060',
      'UDP 192.0.2.0:5060',
    ])
  })

  test('of one priority go by chance and weight (RFC 2782)', async () => {
    const zone = {
      a,
      srv: { '_sip._udp.h': [srv('a', 5060, 1, 0), srv('b', 5060, 1, 1), srv('c', 5060, 1, 3)] },
    }
    const firsts = new Map<string, number>()
    let seed = 1
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647

    for (let i = 0; i < 4000; i++) {
      const first = (await resolve('sip:h;transport=udp', zone, { random })).targets[0] ?? ''
      firsts.set(first, (firsts.get(first) ?? 0) + 1)
    }

    // Weight 3 comes first three times as often as weight 1, weight 0 hardly ever. The sequence is the same each run.
    const ofB = firsts.get('UDP 192.0.2.1:5060') ?? 0
    const ofC = firsts.get('UDP 192.0.2.2:5060') ?? 0
    expect(ofC / ofB).toBeGreaterThan(2.6)
    expect(ofC / ofB).toBeLessThan(3.4)
    expect(firsts.get('UDP 192.0.2.0:5060') ?? 0).toBeLessThan(40)
  })

  test('make five targets at most', async () => {
    const zone = { a, srv: { '_sip._udp.h': 'abcdefgh'.split('').map(name => srv(name, 5060)) } }
    const { targets, asked } = await resolve('sip:h;transport=udp', zone)

    expect(targets).toHaveLength(5)
    expect(asked).toHaveLength(6)
    expect((await resolve('sip:h:1', { a: { h: Object.values(a).flat() } })).targets).toHaveLength(5)
  })
})

describe('targets to be avoided', () => {
  const a = Object.fromEntries('abcdefgh'.split('').map((name, i) => [name, [`192.0.2.${i}`]]))
  const bad = new Set(['192.0.2.0', '192.0.2.1'])

  async function addresses(zone: Zone, text: string): Promise<readonly string[]> {
    const { dns } = serving(zone)
    const uri = parseUri(text)
    if (uri?.kind !== 'sip') throw new Error(text)
    const resolver = new SipResolver({ family: 4, random: () => 0.5, dns })
    return (await resolver.resolve(uri, target => bad.has(target.address))).map(({ address }) => address)
  }

  test('come after all others, whatever their priority', async () => {
    const zone = { a, srv: { '_sip._tcp.h': [srv('a', 5060, 1), srv('c', 5060, 2), srv('d', 5060, 3)] } }

    expect(await addresses(zone, 'sip:h;transport=tcp')).toEqual(['192.0.2.2', '192.0.2.3', '192.0.2.0'])
  })

  test('give their places to further hosts', async () => {
    const zone = { a, srv: { '_sip._tcp.h': 'abcdefgh'.split('').map((name, i) => srv(name, 5060, i)) } }

    expect(await addresses(zone, 'sip:h;transport=tcp')).toEqual(
      [2, 3, 4, 5, 6].map(host => `192.0.2.${host}`),
    )
  })

  test('are used when there are no others', async () => {
    const zone = { a: { h: ['192.0.2.0', '192.0.2.1'] } }

    expect((await addresses(zone, 'sip:h:5060')).toSorted()).toEqual(['192.0.2.0', '192.0.2.1'])
  })
})

describe('addresses of one name', () => {
  test('all have the same chance to come first', async () => {
    const zone = { a: { h: ['192.0.2.1', '192.0.2.2', '192.0.2.3'] } }
    const firsts = new Map<string, number>()
    let seed = 7
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647

    for (let i = 0; i < 3000; i++) {
      const first = (await resolve('sip:h:5060', zone, { random })).targets[0] ?? ''
      firsts.set(first, (firsts.get(first) ?? 0) + 1)
    }

    for (const count of firsts.values()) {
      expect(count).toBeGreaterThan(900)
      expect(count).toBeLessThan(1100)
    }
    expect(firsts.size).toBe(3)
  })
})
