import { counter, type Metric } from '../../lib/kit/metric.ts'
import type { Clock } from '../../lib/kit/clock.ts'
import { CwError } from '../../lib/kit/errors.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { ChallengeStore } from '../../lib/store/challenge-store.ts'
import type { EmbeddedEnvironment } from '../../lib/store/embedded/environment.ts'
import { EmbeddedRegistrationStore } from '../../lib/store/embedded/registrations.ts'
import { keepSecret, keptSecret } from '../../lib/store/embedded/secret.ts'
import { MemcachedChallengeStore } from '../../lib/store/memcached/challenges.ts'
import { MemcachedCluster } from '../../lib/store/memcached/cluster.ts'
import type { ClusterView } from '../../lib/store/memcached/cluster-settings.ts'
import { MemcachedRegistrationStore } from '../../lib/store/memcached/registrations.ts'
import { sharedSecret } from '../../lib/store/memcached/secret.ts'
import { MemoryChallengeStore } from '../../lib/store/memory-challenges.ts'
import type { RegistrationStore } from '../../lib/store/registration-store.ts'

export interface SproutStoresOptions {
  readonly clock: Clock
  readonly log: Log
  /** What this machine alone keeps. */
  readonly environment: EmbeddedEnvironment
  /** The memcached servers that sprouts share; absent: this sprout is the only one. */
  readonly cluster?: ClusterView
  /** Those of the other site's sprouts, which know the same; absent: there is no other site. */
  readonly otherSite?: ClusterView
}

/** What sprout knows of users, and where it is. */
export interface SproutStores {
  readonly registrations: RegistrationStore
  readonly challenges: ChallengeStore
  /** What temporary GRUUs are enciphered with: the same for all sprouts, and after a restart. */
  readonly gruuSecret: string
  readonly metrics: () => readonly Metric[]
  /** Goes over to other servers. From its own disk to servers and back it comes by a restart only, and so does another site. */
  follow(cluster: ClusterView | undefined, otherSite: ClusterView | undefined): void
  close(): void
}

const SECRET = 'gruus'

/** Opens the stores of the only sprout there is, or of one among several. */
export function openSproutStores(options: SproutStoresOptions): Promise<SproutStores> {
  const { cluster, otherSite, ...rest } = options
  return cluster === undefined ? openOwn(rest) : openShared(cluster, otherSite, rest)
}

type Own = Omit<SproutStoresOptions, 'cluster' | 'otherSite'>

async function openOwn({ clock, environment }: Own): Promise<SproutStores> {
  const registrations = new EmbeddedRegistrationStore(environment, clock)
  return {
    registrations,
    challenges: new MemoryChallengeStore({ clock }),
    gruuSecret: await keptSecret(environment, SECRET),
    metrics: () => [],
    follow: () => undefined,
    close: () => registrations.close(),
  }
}

async function openShared(
  view: ClusterView,
  otherView: ClusterView | undefined,
  { clock, log, environment }: Own,
): Promise<SproutStores> {
  const cluster = new MemcachedCluster({ view, clock })
  const other =
    otherView === undefined ? undefined : new MemcachedCluster({ view: otherView, clock, isSpare: true })
  let [foreign, behind] = [0, 0]
  const onForeign = (key: string): void => {
    foreign++
    log.warn('a record in memcached cannot be read and is passed over', { key })
  }
  const otherSite = other === undefined ? {} : { otherSite: { cluster: other, onBehind: () => behind++ } }
  const registrations = new MemcachedRegistrationStore({ cluster, clock, onForeign, ...otherSite })
  const challenges = new MemcachedChallengeStore({
    cluster,
    clock,
    onForeign,
    ...otherSite,
    onError: error => log.warn('it is not known whether a challenge was answered', { error }),
  })
  await moveOwn(registrations, { clock, log, environment })
  return {
    registrations,
    challenges,
    gruuSecret: await secretOf(
      { cluster, ...(other === undefined ? {} : { otherSite: other }) },
      log,
      environment,
    ),
    metrics: () => [
      ...metricsOf(cluster, foreign),
      ...(other === undefined ? [] : otherSiteMetrics(other, behind)),
    ],
    follow: (next, nextOther) => {
      if (next !== undefined) cluster.follow(next)
      if (nextOther !== undefined) other?.follow(nextOther)
    },
    close: () => {
      cluster.close()
      other?.close()
    },
  }
}

/** What a sprout knew while it was the only one goes to where all find it. */
async function moveOwn(shared: RegistrationStore, { clock, log, environment }: Own): Promise<void> {
  const own = new EmbeddedRegistrationStore(environment, clock)
  let moved = 0
  try {
    for await (const { key: impu, value, version } of own.all()) {
      // A conflict says that others know the user already, and know better.
      await shared.put(impu, value, undefined)
      await own.remove(impu, version)
      moved++
    }
  } catch (error) {
    log.error('not all registrations of this sprout could be moved to memcached', { error })
  } finally {
    own.close()
  }
  if (moved > 0) log.info('registrations of this sprout were moved to memcached', { moved })
}

/** Kept here too: after all servers were down at once, they are told again. */
async function secretOf(
  clusters: Parameters<typeof sharedSecret>[0],
  log: Log,
  environment: EmbeddedEnvironment,
): Promise<string> {
  const own = await keptSecret(environment, SECRET)
  try {
    const shared = await sharedSecret(clusters, SECRET, own)
    if (shared !== own) await keepSecret(environment, SECRET, shared)
    return shared
  } catch (error) {
    if (!(error instanceof CwError)) throw error
    log.warn('whether sprouts agree on temporary GRUUs is not known, since memcached does not answer', {
      error,
    })
    return own
  }
}

function metricsOf({ counts }: MemcachedCluster, foreign: number): readonly Metric[] {
  return [
    counter('memcached_reads', 'Values read from memcached.', [{ value: counts.reads }]),
    counter('memcached_writes', 'Changes of values in memcached.', [{ value: counts.writes }]),
    counter('memcached_conflicts', 'Changes that another one came before.', [{ value: counts.conflicts }]),
    counter('memcached_failures', 'Requests that a memcached server failed.', [{ value: counts.failures }]),
    counter('memcached_repairs', 'Values given again to a server that had lost them.', [
      { value: counts.repairs },
    ]),
    counter('memcached_foreign', 'Values that could not be read.', [{ value: foreign }]),
  ]
}

function otherSiteMetrics({ counts }: MemcachedCluster, behind: number): readonly Metric[] {
  return [
    counter('other_site_reads', 'Values read from the memcached of the other site.', [
      { value: counts.reads },
    ]),
    counter('other_site_failures', 'Requests that a memcached server of the other site failed.', [
      { value: counts.failures },
    ]),
    counter('other_site_behind', 'Changes that the other site was not told, and learns from its astaire.', [
      { value: behind },
    ]),
  ]
}
