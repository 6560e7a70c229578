/** What a store costs behind its interface, and how long a memcached takes to be filled again. */
import { connect } from 'node:net'
import { once } from 'node:events'
import { TimerWheel, type Clock } from '../lib/kit/clock.ts'
import { challengeOf } from '../lib/store/contract/challenge-store.ts'
import { recordUntil } from '../lib/store/contract/registration-store.ts'
import { openEmbedded } from '../lib/store/embedded/environment.ts'
import { EmbeddedRegistrationStore } from '../lib/store/embedded/registrations.ts'
import { MemcachedChallengeStore } from '../lib/store/memcached/challenges.ts'
import { MemcachedCluster } from '../lib/store/memcached/cluster.ts'
import { MemcachedRegistrationStore } from '../lib/store/memcached/registrations.ts'
import { noProgress, resynchronise } from '../lib/store/memcached/resync.ts'
import type { RegistrationStore } from '../lib/store/registration-store.ts'
import { MemcachedServers } from '../test/support/memcached.ts'
import { TempDir } from '../test/support/temp-dir.ts'
import type { Row } from './report.ts'
import { speedRows, timed } from './timed.ts'

/** Operations that are under way at one time. */
const AT_ONCE = 64
const LIFETIME_MS = 3_600_000

/** @param registrations how many are stored, read and changed @param resynced how many a server is filled with */
export async function benchStores(registrations: number, resynced: number): Promise<Row[]> {
  const clock = new TimerWheel(error => {
    throw error
  })
  try {
    const rows = [...(await embedded(clock, registrations)), ...(await memcached(clock, registrations))]
    return [...rows, ...(await registrationCost(clock)), ...(await resynchronisation(clock, resynced))]
  } finally {
    clock.close()
  }
}

async function embedded(clock: Clock, count: number): Promise<Row[]> {
  using dir = new TempDir('bench-store')
  await using environment = await openEmbedded({ dir: dir.path })
  return await speeds('embedded', new EmbeddedRegistrationStore(environment, clock), count)
}

async function memcached(clock: Clock, count: number): Promise<Row[]> {
  await using servers = await MemcachedServers.start(2)
  const cluster = new MemcachedCluster({ view: { servers: servers.addresses }, clock, deadlineMs: 2000 })
  try {
    return await speeds('two memcached servers', storeOn(cluster, clock), count)
  } finally {
    cluster.close()
  }
}

async function speeds(name: string, store: RegistrationStore, count: number): Promise<Row[]> {
  const impu = (index: number): string => `sip:user${index}@example.com`
  const record = recordUntil(Date.now() + LIFETIME_MS)
  const added = await timed(count, AT_ONCE, async index =>
    mustBe(await store.put(impu(index), record, undefined)),
  )
  const read = await timed(count, AT_ONCE, async index => mustBe(await store.get(impu(index))))
  const changed = await timed(count, AT_ONCE, async index => {
    const present = await store.get(impu(index))
    mustBe(await store.put(impu(index), { ...record, notifyCseq: 2 }, present?.version))
  })
  return [
    ...speedRows(`A registration stored, ${name}`, added, AT_ONCE),
    ...speedRows(`A registration read, ${name}`, read, AT_ONCE),
    ...speedRows(`A registration read and changed, ${name}`, changed, AT_ONCE),
  ]
}

/** What one registration with challenge takes of the servers: operations and octets, both copies with it. */
async function registrationCost(clock: Clock): Promise<Row[]> {
  const count = 1000
  await using servers = await MemcachedServers.start(2)
  const cluster = new MemcachedCluster({ view: { servers: servers.addresses }, clock })
  const registrations = storeOn(cluster, clock)
  const onError = (error: unknown): void => console.error(error)
  const challenges = new MemcachedChallengeStore({ cluster, clock, onForeign: mustBe, onError })
  try {
    const before = await statsOf(servers)
    for (let index = 0; index < count; index++) {
      const [impi, nonce] = [`user${index}@example.com`, `nonce${index}`]
      await challenges.put(impi, challengeOf(nonce, Date.now() + 40_000))
      const open = await challenges.get(impi, nonce)
      if (open === undefined) throw new Error('a challenge is lost')
      await challenges.advance(impi, { ...open, nonceCount: 2, expiresAt: Date.now() }, 1)
      const present = await registrations.get(`sip:${impi}`)
      await registrations.put(`sip:${impi}`, recordUntil(Date.now() + LIFETIME_MS), present?.version)
    }
    const after = await statsOf(servers)
    const perRegistration = (name: string): number =>
      ((after.get(name) ?? 0) - (before.get(name) ?? 0)) / count
    const operations = perRegistration('cmd_get') + perRegistration('cmd_set')
    const octets = perRegistration('bytes_read') + perRegistration('bytes_written')
    return [
      {
        what: 'Operations of memcached for a first registration with challenge',
        unit: '',
        values: { clearwater: [operations] },
      },
      { what: 'Octets to and from memcached for it', unit: 'bytes', values: { clearwater: [octets] } },
    ]
  } finally {
    cluster.close()
  }
}

/** A server that has lost everything is filled from the other two, without a limit of processor time. */
async function resynchronisation(clock: Clock, count: number): Promise<Row[]> {
  await using servers = await MemcachedServers.start(3, ['-m', '1024'])
  const view = { servers: servers.addresses }
  const cluster = new MemcachedCluster({ view, clock, deadlineMs: 5000 })
  const store = storeOn(cluster, clock)
  const record = recordUntil(Date.now() + LIFETIME_MS)
  await timed(count, AT_ONCE, async index =>
    mustBe(await store.put(`sip:user${index}@example.com`, record, undefined)),
  )
  cluster.close()
  const [local = ''] = servers.addresses
  await servers.kill(0)
  await servers.run(0)
  const progress = noProgress()
  const { signal } = new AbortController()
  const [begun, cpuBegun] = [performance.now(), process.cpuUsage()]
  const missing = await resynchronise({ local, view, signal, breathe: async () => undefined, progress })
  if (missing.size > 0) throw new Error('the server was not filled')
  const seconds = (performance.now() - begun) / 1000
  const { user, system } = process.cpuUsage(cpuBegun)
  const what = `Memcached filled again, ${count} registrations on three servers`
  return [
    { what, unit: 's', values: { clearwater: [seconds] } },
    {
      what: `${what}: processor time of astaire`,
      unit: 's',
      values: { clearwater: [(user + system) / 1e6] },
    },
    { what: `${what}: entries copied`, unit: '', values: { clearwater: [progress.entries] } },
    { what: `${what}: values copied`, unit: 'MiB', values: { clearwater: [progress.bytes / 2 ** 20] } },
  ]
}

/** Figures of all servers, added up. */
async function statsOf({ addresses }: MemcachedServers): Promise<ReadonlyMap<string, number>> {
  const sums = new Map<string, number>()
  for (const address of addresses) {
    const [host = '', port] = address.split(':')
    const socket = connect(Number(port), host)
    socket.write('stats\r\n')
    let text = ''
    while (!text.endsWith('END\r\n')) text += String((await once(socket, 'data'))[0])
    socket.destroy()
    for (const [, name = '', value] of text.matchAll(/^STAT (\S+) (\d+)\r$/gm))
      sums.set(name, (sums.get(name) ?? 0) + Number(value))
  }
  return sums
}

function storeOn(cluster: MemcachedCluster, clock: Clock): MemcachedRegistrationStore {
  return new MemcachedRegistrationStore({ cluster, clock, onForeign: mustBe })
}

/** A figure of operations that came to nothing is none. */
function mustBe(result: unknown): void {
  if (result === undefined || result === 'conflict') throw new Error('an operation came to nothing')
}
