/** What it costs to keep subscribers, on this machine's disk and in Cassandra, through homestead's own functions. */
import { hash } from 'node:crypto'
import type { HomesteadOptions } from '../daemons/homestead/homestead.ts'
import { Provisioning } from '../daemons/homestead/provisioning.ts'
import type { Impi, Impu } from '../lib/ims/identity.ts'
import { TimerWheel } from '../lib/kit/clock.ts'
import { CwError } from '../lib/kit/errors.ts'
import { noLog } from '../lib/kit/log.ts'
import { openCassandraStores } from '../lib/store/cassandra/stores.ts'
import { openEmbedded } from '../lib/store/embedded/environment.ts'
import { embeddedSubscribers } from '../lib/store/embedded/subscribers.ts'
import type { Subscriber } from '../lib/store/provisioning-store.ts'
import { CassandraServers } from '../test/support/cassandra.ts'
import { TempDir } from '../test/support/temp-dir.ts'
import type { Row } from './report.ts'
import { speedRows, timed } from './timed.ts'

/** Subscribers that are made at the same time. With 256 a Cassandra node that shares two cores misses its deadlines. */
const AT_ONCE = 32
const MOST_REPEATS = 20

/** @param counts how many subscribers are there when the next step is measured, in growing order */
export async function benchSubscriberStores(counts: readonly number[]): Promise<Row[]> {
  const clock = new TimerWheel(error => {
    throw error
  })
  try {
    const rows: Row[] = []
    {
      using dir = new TempDir('bench-store')
      await using environment = await openEmbedded({ dir: dir.path })
      rows.push(...(await growing('embedded', embeddedSubscribers(environment), counts)))
    }
    // One node with the memory that Cassandra takes by itself on a small machine.
    await using servers = await CassandraServers.start({ heapMb: 2048 })
    const view = { contactPoints: servers.addresses, site: 'site1' }
    const stores = await openCassandraStores(['homestead'], { view, clock, log: noLog })
    rows.push(...(await growing('one Cassandra node', stores, counts)))
    await stores.database.close()
    return rows
  } finally {
    clock.close()
  }
}

async function growing(
  name: string,
  stores: HomesteadOptions['stores'],
  counts: readonly number[],
): Promise<Row[]> {
  const { provisioning: store, cache, aka } = stores
  const provisioning = new Provisioning({ store, cache, aka, charging: { ccf: [], ecf: [] } })
  const rows: Row[] = []
  let there = 0
  for (const count of counts) {
    const [from, added] = [there, count - there]
    let repeated = 0
    const made = await timed(added, AT_ONCE, async index => {
      repeated += await persistently(() => provisioning.putSubscriber(subscriber(from + index)))
    })
    there = count
    // Spread over all, so that no cache has them.
    const read = await timed(Math.min(count, 20_000), 64, async index => {
      const known = await cache.getSubscription(`sip:${(index * 7919) % count}@example.com` as Impu)
      if (known === undefined) throw new Error('a subscriber is lost')
    })
    rows.push(
      ...speedRows(`Subscribers made, from ${from} to ${count}, ${name}`, made, AT_ONCE),
      {
        what: `Subscribers made, from ${from} to ${count}, ${name}: attempts that had to be repeated`,
        unit: '',
        values: { clearwater: [repeated] },
      },
      ...speedRows(`A subscriber read for a registration, of ${count}, ${name}`, read, 64),
    )
  }
  return rows
}

/** Does it again while the store fails, as an operator would. @returns how often it was done again */
async function persistently(act: () => Promise<string>): Promise<number> {
  for (let failed = 0; ; failed++) {
    try {
      if ((await act()) === 'conflict') throw new Error('a subscriber is somebody else’s')
      return failed
    } catch (error) {
      if (!(error instanceof CwError) || failed === MOST_REPEATS) throw error
    }
  }
}

function subscriber(index: number): Subscriber {
  const impi = `${index}@example.com`
  return {
    impi: impi as Impi,
    impu: `sip:${impi}` as Impu,
    realm: 'example.com',
    ha1: hash('md5', impi, 'hex'),
    identityXml: `<PublicIdentity><Identity>sip:${impi}</Identity></PublicIdentity>`,
    filterCriteria: '<ServiceProfile></ServiceProfile>',
  }
}
