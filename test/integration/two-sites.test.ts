import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startAstaire, type RunningAstaire } from '../../daemons/astaire/astaire.ts'
import { TimerWheel, type Clock } from '../../lib/kit/clock.ts'
import { openLog } from '../../lib/kit/log.ts'
import { challengeOf, challengeStoreContract } from '../../lib/store/contract/challenge-store.ts'
import { recordUntil, registrationStoreContract } from '../../lib/store/contract/registration-store.ts'
import { MemcachedChallengeStore } from '../../lib/store/memcached/challenges.ts'
import { MemcachedCluster } from '../../lib/store/memcached/cluster.ts'
import { MemcachedConnection } from '../../lib/store/memcached/connection.ts'
import { MemcachedRegistrationStore } from '../../lib/store/memcached/registrations.ts'
import { sharedSecret } from '../../lib/store/memcached/secret.ts'
import { fullKey } from '../../lib/store/memcached/table.ts'
import { MemcachedServers } from '../support/memcached.ts'
import { Relay } from '../support/relay.ts'
import { waitUntil } from '../support/wait.ts'
import type { Binding, RegistrationRecord } from '../../lib/store/registration-store.ts'

const ALICE = 'sip:alice@example.com'
const DEADLINE_MS = 200

/** Two sites with two memcached servers each, and lines between them that can be cut. */
class Sites implements AsyncDisposable {
  readonly #east: MemcachedServers
  readonly #west: MemcachedServers
  readonly #toEast: readonly Relay[]
  readonly #toWest: readonly Relay[]

  private constructor(
    servers: { east: MemcachedServers; west: MemcachedServers },
    relays: { toEast: readonly Relay[]; toWest: readonly Relay[] },
  ) {
    this.#east = servers.east
    this.#west = servers.west
    this.#toEast = relays.toEast
    this.#toWest = relays.toWest
  }

  static async start(): Promise<Sites> {
    const [east, west] = await Promise.all([MemcachedServers.start(2), MemcachedServers.start(2)])
    const relaysTo = ({ addresses }: MemcachedServers): Promise<readonly Relay[]> =>
      Promise.all(addresses.map(each => Relay.to(each)))
    return new Sites({ east, west }, { toEast: await relaysTo(east), toWest: await relaysTo(west) })
  }

  servers(site: Site): MemcachedServers {
    return site === 'east' ? this.#east : this.#west
  }

  /** How the other site sees this one. */
  across(site: Site): readonly string[] {
    return (site === 'east' ? this.#toEast : this.#toWest).map(({ address }) => address)
  }

  cut(): void {
    for (const relay of [...this.#toEast, ...this.#toWest]) relay.cut()
  }

  heal(): void {
    for (const relay of [...this.#toEast, ...this.#toWest]) relay.heal()
  }

  async empty(): Promise<void> {
    for (const site of [this.#east, this.#west]) {
      for (const index of [0, 1]) {
        await site.kill(index)
        await site.run(index)
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of [...this.#toEast, ...this.#toWest, this.#east, this.#west])
      await each[Symbol.asyncDispose]()
  }
}

type Site = 'east' | 'west'
const OTHER = { east: 'west', west: 'east' } as const

let sites: Sites
beforeAll(async () => {
  sites = await Sites.start()
})
afterAll(() => sites[Symbol.asyncDispose]())

interface Clusters {
  readonly cluster: MemcachedCluster
  readonly other: MemcachedCluster
}

function clustersAt(site: Site, clock: Clock): Clusters {
  const own = { servers: sites.servers(site).addresses }
  const other = { servers: sites.across(OTHER[site]) }
  return {
    cluster: new MemcachedCluster({ view: own, clock, deadlineMs: DEADLINE_MS }),
    other: new MemcachedCluster({ view: other, clock, deadlineMs: DEADLINE_MS, isSpare: true }),
  }
}

function close({ cluster, other }: Clusters): void {
  cluster.close()
  other.close()
}

interface SiteStore extends MemcachedRegistrationStore {
  readonly behind: string[]
}

function registrationsOn({ cluster, other }: Clusters, clock: Clock): SiteStore {
  const behind: string[] = []
  const store = new MemcachedRegistrationStore({
    ...{ cluster, clock, onForeign: () => undefined },
    otherSite: { cluster: other, onBehind: impu => behind.push(impu) },
  })
  return Object.assign(store, { behind })
}

function challengesOn({ cluster, other }: Clusters, clock: Clock): MemcachedChallengeStore {
  return new MemcachedChallengeStore({
    ...{ cluster, clock, onForeign: () => undefined },
    onError: error => expect.fail(String(error)),
    otherSite: { cluster: other, onBehind: () => undefined },
  })
}

registrationStoreContract('memcached at two sites', async clock => {
  await sites.empty()
  const clusters = clustersAt('east', clock)
  return { store: registrationsOn(clusters, clock), close: async () => close(clusters) }
})

challengeStoreContract('memcached at two sites', async clock => {
  await sites.empty()
  const clusters = clustersAt('east', clock)
  return { store: challengesOn(clusters, clock), close: async () => close(clusters) }
})

function realClock(): TimerWheel {
  const clock = new TimerWheel(error => expect.fail(String(error)))
  onTestFinished(() => clock.close())
  return clock
}

/** A store at each site, as sprouts have it. */
function bothStores(): Readonly<Record<Site, SiteStore>> {
  const clock = realClock()
  const storeAt = (site: Site): SiteStore => {
    const clusters = clustersAt(site, clock)
    onTestFinished(() => close(clusters))
    return registrationsOn(clusters, clock)
  }
  return { east: storeAt('east'), west: storeAt('west') }
}

const INSIDE = 5 * 60_000

function bindingOf(key: string): Binding {
  const [binding] = recordUntil(Date.now() + INSIDE).bindings
  if (binding === undefined) throw new Error('a record without a binding')
  return { ...binding, key, uri: `sip:alice@192.0.2.1;${key}` }
}

/** Adds a binding at a site, or takes it away, as a phone does there. */
async function change(
  store: MemcachedRegistrationStore,
  impu: string,
  key: string,
  what: 'add' | 'take away',
): Promise<void> {
  const found = await store.get(impu)
  const others = found?.value.bindings.filter(each => each.key !== key) ?? []
  const bindings = what === 'add' ? [...others, bindingOf(key)] : others
  const record: RegistrationRecord = { ...(found?.value ?? recordUntil(0)), bindings }
  const result =
    bindings.length === 0 && found !== undefined
      ? await store.remove(impu, found.version)
      : await store.put(impu, record, found?.version)
  expect(['stored', 'removed']).toContain(result)
}

async function keysAt(store: MemcachedRegistrationStore, impu: string): Promise<readonly string[]> {
  return (await store.get(impu))?.value.bindings.map(({ key }) => key) ?? []
}

describe('registrations at two sites', () => {
  test('each knows at once what was changed at the other', async () => {
    await sites.empty()
    const { east, west } = bothStores()
    await change(east, ALICE, 'a', 'add')
    expect(await keysAt(west, ALICE)).toEqual(['a'])
    await change(west, ALICE, 'b', 'add')
    expect(await keysAt(east, ALICE)).toEqual(['a', 'b'])
    await change(west, ALICE, 'a', 'take away')
    expect(await keysAt(east, ALICE)).toEqual(['b'])
    await change(east, ALICE, 'b', 'take away')
    expect(await keysAt(west, ALICE)).toEqual([])
    await change(west, ALICE, 'b', 'add')
    expect(await keysAt(east, ALICE)).toEqual(['b'])
    expect([...east.behind, ...west.behind]).toEqual([])
  })

  test('a site that has forgotten everything asks the other', async () => {
    await sites.empty()
    const { east, west } = bothStores()
    await change(east, ALICE, 'a', 'add')
    for (const index of [0, 1]) {
      await sites.servers('east').kill(index)
      await sites.servers('east').run(index)
    }

    expect(await keysAt(east, ALICE)).toEqual(['a'])
    await change(east, ALICE, 'b', 'add')
    expect(await keysAt(west, ALICE)).toEqual(['a', 'b'])
  })

  test('a site without any server of its own goes on with those of the other', async () => {
    await sites.empty()
    const { east, west } = bothStores()
    await change(east, ALICE, 'a', 'add')
    for (const index of [0, 1]) await sites.servers('east').kill(index)
    try {
      expect(await keysAt(east, ALICE)).toEqual(['a'])
      await change(east, ALICE, 'b', 'add')
      await change(east, 'sip:bob@example.com', 'c', 'add')
      await change(east, ALICE, 'a', 'take away')
      expect(await keysAt(west, ALICE)).toEqual(['b'])
      expect(await keysAt(west, 'sip:bob@example.com')).toEqual(['c'])
    } finally {
      for (const index of [0, 1]) await sites.servers('east').run(index)
    }
  })

  test('many changes at both sites at once are all there in the end', async () => {
    await sites.empty()
    const { east, west } = bothStores()
    const add = async (store: SiteStore, key: string): Promise<void> => {
      for (;;) {
        const found = await store.get(ALICE)
        const record = found?.value ?? recordUntil(0, { bindings: [] })
        const next = { ...record, bindings: [...record.bindings, bindingOf(key)] }
        if ((await store.put(ALICE, next, found?.version)) === 'stored') return
      }
    }
    const keys = Array.from({ length: 24 }, (_, index) => `key${index}`)
    await Promise.all(keys.map((key, index) => add(index % 2 === 0 ? east : west, key)))

    await astaires()
    await waitUntil('both to have all', async () => {
      const [here, there] = await Promise.all([keysAt(east, ALICE), keysAt(west, ALICE)])
      return here.length === keys.length && there.length === keys.length
    })
  })

  test('cut off, both go on; together again, nothing is lost and nothing comes back', async () => {
    await sites.empty()
    const { east, west } = bothStores()
    const people = Array.from({ length: 40 }, (_, index) => `sip:user${index}@example.com`)
    for (const impu of people) await change(east, impu, 'before', 'add')
    const digests = await astaires()
    await inStep(digests)
    const [one, other] = await Promise.all(digests.map(each => each.digest()))
    expect(one).toEqual(other)
    expect(one?.registrations).toBe(people.length)

    sites.cut()
    await Promise.all(digests.map(each => each.becomes('unreachable')))
    for (const [index, impu] of people.entries()) {
      if (index % 4 === 0) await change(east, impu, 'before', 'take away')
      if (index % 4 === 1) await change(west, impu, 'before', 'take away')
      if (index % 4 >= 2) await change(index % 4 === 2 ? east : west, impu, 'new', 'add')
      if (index % 8 === 3) await change(east, impu, 'third', 'add')
    }
    expect(east.behind.length).toBeGreaterThan(10)
    expect(west.behind.length).toBeGreaterThan(10)
    // Each site has gone on by itself.
    expect(await keysAt(west, people[0] ?? '')).toEqual(['before'])

    sites.heal()
    await inStep(digests)

    const meant = people.map((_, index) => {
      if (index % 4 < 2) return []
      return index % 8 === 3 ? ['before', 'new', 'third'] : ['before', 'new']
    })
    for (const store of [east, west])
      expect(await Promise.all(people.map(async impu => (await keysAt(store, impu)).toSorted()))).toEqual(
        meant,
      )
    await waitUntil('both sites to have the same digest', async () => {
      await Promise.all(digests.map(each => each.again()))
      const [here, there] = await Promise.all(digests.map(each => each.digest()))
      return here?.sha256 === there?.sha256 && here?.registrations === people.length / 2
    })
  })

  test('a record of the other site that is none is passed over, and counted', async () => {
    await sites.empty()
    const address = sites.servers('west').addresses[0]?.split(':') ?? []
    const raw = new MemcachedConnection({ host: address[0] ?? '', port: Number(address[1]) })
    onTestFinished(() => raw.close())
    for (const [key, text] of [
      ['sip:x@example.com', 'no record'],
      ['sip:y@example.com', '{"bindings":[],"history":{"at":1,"entries":{"a":{}}}}'],
    ] as const)
      await raw.set(fullKey('reg', key), Buffer.from(text), { when: 'always', flags: 1, ttl: 60 })
    const { east } = bothStores()
    await change(east, ALICE, 'a', 'add')

    const digests = await astaires()
    await inStep(digests)

    expect(await keysAt(east, 'sip:x@example.com')).toEqual([])
    expect(await keysAt(east, ALICE)).toEqual(['a'])
    expect((await Promise.all(digests.map(each => each.foreign()))).toSorted()).toEqual([0, 2])
  })
})

describe('at two sites', () => {
  test('a challenge made at one is answered at the other, once', async () => {
    await sites.empty()
    const clock = realClock()
    const [east, west] = (['east', 'west'] as const).map(site => {
      const clusters = clustersAt(site, clock)
      onTestFinished(() => close(clusters))
      return challengesOn(clusters, clock)
    }) as [MemcachedChallengeStore, MemcachedChallengeStore]
    const challenge = challengeOf('n1', Date.now() + 30_000)
    await east.put('alice@example.com', challenge)

    const found = await west.get('alice@example.com', 'n1')
    expect(found).toEqual(challenge)
    const answered = { ...challenge, nonceCount: 2 }
    expect(await west.advance('alice@example.com', answered, 1)).toBe('stored')
    expect(await east.advance('alice@example.com', answered, 1)).toBe('conflict')
    await west.removeAll('alice@example.com')
    expect(await east.get('alice@example.com', 'n1')).toBeUndefined()
  })

  test('all have one secret, whoever comes first', async () => {
    await sites.empty()
    const clock = realClock()
    const secretAt = async (site: Site, own: string): Promise<string> => {
      const clusters = clustersAt(site, clock)
      onTestFinished(() => close(clusters))
      return sharedSecret({ cluster: clusters.cluster, otherSite: clusters.other }, 'gruus', own)
    }
    expect(await secretAt('west', 'of-the-west')).toBe('of-the-west')
    expect(await secretAt('east', 'of-the-east')).toBe('of-the-west')
  })
})

/** What the two astaires of a site say together. */
interface SiteDigest {
  digest(): Promise<{ readonly registrations: number; readonly sha256: string }>
  foreign(): Promise<number>
  becomes(state: string): Promise<void>
  /** Has each compare once more. */
  again(): Promise<void>
}

/** An astaire beside each memcached of both sites. */
async function astaires(): Promise<readonly SiteDigest[]> {
  return Promise.all((['east', 'west'] as const).map(astairesAt))
}

async function astairesAt(site: Site): Promise<SiteDigest> {
  const clock = realClock()
  const { addresses } = sites.servers(site)
  const otherSite = { servers: sites.across(OTHER[site]) }
  const running: RunningAstaire[] = []
  for (const local of addresses) {
    const options = { local, bind: '127.0.0.1', port: 0, clock, log: openLog('silent') }
    const astaire = await startAstaire(options, { view: { servers: addresses }, otherSite, cpuLimit: 100 })
    onTestFinished(() => astaire.close())
    running.push(astaire)
  }
  const statuses = (): Promise<readonly OtherSiteStatus[]> => Promise.all(running.map(otherSiteOf))
  return {
    digest: async () => {
      const passes = (await statuses()).map(({ lastPass }) => lastPass)
      const sum = passes.reduce((all, each) => all ^ BigInt(`0x${each?.sha256 ?? '0'}`), 0n)
      const registrations = passes.reduce((all, each) => all + (each?.registrations ?? 0), 0)
      return { registrations, sha256: sum.toString(16) }
    },
    foreign: async () => (await statuses()).reduce((all, { lastPass }) => all + (lastPass?.foreign ?? 0), 0),
    becomes: async state => {
      await waitUntil(`both astaires of the ${site} to be ${state}`, async () =>
        (await statuses()).every(each => each.state === state),
      )
    },
    again: async () => {
      for (const astaire of running) astaire.resynchronise()
      await waitUntil(`both astaires of the ${site} to be in step`, async () =>
        (await statuses()).every(({ state }) => state === 'in step'),
      )
    },
  }
}

async function inStep(digests: readonly SiteDigest[]): Promise<void> {
  await Promise.all(digests.map(each => each.becomes('in step')))
}

interface OtherSiteStatus {
  readonly state: string
  readonly lastPass?: {
    readonly registrations: number
    readonly sha256: string
    readonly foreign: number
  }
}

async function otherSiteOf({ port }: RunningAstaire): Promise<OtherSiteStatus> {
  const status = await fetch(`http://127.0.0.1:${port}/status`)
  const { otherSite } = (await status.json()) as { otherSite?: OtherSiteStatus }
  return otherSite ?? { state: 'none' }
}
