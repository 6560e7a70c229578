import { describe, expect, test } from 'vitest'
import { seconds, TestClock } from '../kit/clock.ts'
import { CachedDns, type DnsSource } from './cached-dns.ts'
import type { RecordType } from './queries.ts'
import type { Found } from './stub.ts'

const NOTHING: Found = { kind: 'none', ttl: undefined }
const DOWN: Found = { kind: 'failed', why: 'silence' }
const address = (text: string, ttl = 100): Found => ({ kind: 'records', records: [text], ttl })

/** Servers that say what they are told to, and note what they are asked. */
function open() {
  const clock = new TestClock()
  const servers = { says: NOTHING, asked: [] as string[], answer: (): void => undefined, silent: false }
  const source: DnsSource = {
    find: async <Type extends RecordType>(type: Type, name: string) => {
      servers.asked.push(`${type} ${name}`)
      if (servers.silent) await new Promise<void>(resolve => (servers.answer = resolve))
      return servers.says as Found<Type>
    },
  }
  return { clock, servers, dns: new CachedDns(source, clock) }
}

describe('an answer', () => {
  test('is kept for its time', async () => {
    const { clock, servers, dns } = open()
    servers.says = address('192.0.2.1', 100)

    expect(await dns.resolve4('h')).toEqual(['192.0.2.1'])
    clock.advance(seconds(80))
    expect(await dns.resolve4('H')).toEqual(['192.0.2.1'])
    expect(servers.asked).toEqual(['A h'])
    clock.advance(seconds(21))
    servers.says = address('192.0.2.2')
    expect(await dns.resolve4('h')).toEqual(['192.0.2.2'])
  })

  test('that is in use is fetched anew before its time is over, and nobody waits', async () => {
    const { clock, servers, dns } = open()
    servers.says = address('192.0.2.1', 100)
    await dns.resolve4('h')
    clock.advance(seconds(95))
    servers.says = address('192.0.2.2', 100)
    servers.silent = true

    expect(await dns.resolve4('h')).toEqual(['192.0.2.1'])
    expect(await dns.resolve4('h')).toEqual(['192.0.2.1'])
    expect(servers.asked).toHaveLength(2)
    servers.answer()
    await Promise.resolve()
    await Promise.resolve()
    clock.advance(seconds(10))
    expect(await dns.resolve4('h')).toEqual(['192.0.2.2'])
    expect(servers.asked).toHaveLength(2)
  })

  test('that may not be kept is asked for once a second', async () => {
    const { clock, servers, dns } = open()
    servers.says = address('192.0.2.1', 0)

    for (let i = 0; i < 5; i++) await dns.resolve4('h')
    expect(servers.asked).toHaveLength(1)
    clock.advance(seconds(1))
    await dns.resolve4('h')
    expect(servers.asked).toHaveLength(2)
  })

  test('of nothing is kept too: as long as the zone says, else five minutes for SRV', async () => {
    const { clock, servers, dns } = open()

    expect(await dns.resolveSrv('_sip._udp.h')).toEqual([])
    servers.says = { kind: 'none', ttl: 20 }
    expect(await dns.resolveNaptr('h')).toEqual([])
    clock.advance(seconds(25))
    await dns.resolveSrv('_sip._udp.h')
    await dns.resolveNaptr('h')
    expect(servers.asked).toEqual(['SRV _sip._udp.h', 'NAPTR h', 'NAPTR h'])
  })
})

test('many who ask at once ask once', async () => {
  const { servers, dns } = open()
  servers.silent = true
  servers.says = address('192.0.2.1')

  const all = Promise.all(Array.from({ length: 50 }, () => dns.resolve4('h')))
  servers.answer()

  expect(new Set((await all).flat())).toEqual(new Set(['192.0.2.1']))
  expect(servers.asked).toHaveLength(1)
})

describe('while no server answers', () => {
  test('what they said last goes on to count, however long, and they are asked every 30 seconds', async () => {
    const { clock, servers, dns } = open()
    servers.says = address('192.0.2.1', 100)
    await dns.resolve4('h')
    servers.says = DOWN
    for (let s = 0; s < 1200; s += 10) {
      clock.advance(seconds(10))
      expect(await dns.resolve4('h')).toEqual(['192.0.2.1'])
    }
    expect(servers.asked.length).toBeLessThan(45)

    servers.says = address('192.0.2.2')
    clock.advance(seconds(31))
    await dns.resolve4('h')
    await Promise.resolve()
    expect(await dns.resolve4('h')).toEqual(['192.0.2.2'])
  })

  test('a name that was never known is refused for five seconds, and then asked for again', async () => {
    const { clock, servers, dns } = open()
    servers.says = DOWN

    await expect(dns.resolve4('h')).rejects.toThrow('no DNS server answers')
    await expect(dns.resolve4('h')).rejects.toThrow()
    expect(servers.asked).toHaveLength(1)
    clock.advance(seconds(5))
    servers.says = address('192.0.2.1')
    expect(await dns.resolve4('h')).toEqual(['192.0.2.1'])
  })

  test('a name that has gone is gone at once when one says so', async () => {
    const { clock, servers, dns } = open()
    servers.says = address('192.0.2.1', 10)
    await dns.resolve4('h')
    clock.advance(seconds(11))
    servers.says = NOTHING

    expect(await dns.resolve4('h')).toEqual([])
  })
})

test('names without end do not fill the memory', async () => {
  const { servers, dns } = open()
  servers.says = address('192.0.2.1')
  for (let i = 0; i < 12_000; i++) await dns.resolve4(`h${i}`)
  await dns.resolve4('h0')
  await dns.resolve4('h11999')

  expect(servers.asked).toHaveLength(12_001)
})
