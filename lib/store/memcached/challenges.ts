import { seconds, type Clock } from '../../kit/clock.ts'
import type { Challenge, ChallengeStore, OpenChallenge } from '../challenge-store.ts'
import { UnansweredWatch } from '../unanswered-watch.ts'
import type { MemcachedCluster } from './cluster.ts'
import { MemcachedTable, type Codec } from './table.ts'

export interface MemcachedChallengesOptions {
  readonly cluster: MemcachedCluster
  readonly clock: Clock
  /** Told of the identity of each record that cannot be read. */
  readonly onForeign: (impi: string) => void
  /** Told when it could not be found out whether a challenge was answered. */
  readonly onError: (error: unknown) => void
  readonly otherSite?: {
    readonly cluster: MemcachedCluster
    /** Told of the identity of each record of which the other site has not the newest. */
    readonly onBehind: (impi: string) => void
  }
}

/** All open challenges of one private identity. */
type Challenges = readonly Challenge[]

const TABLE = 'impi'
/** A record outlives its challenges by so many seconds, so that they can still be looked at when they end. */
const GRACE = 30
/** Who floods one identity with REGISTERs pushes out its own challenges. */
const MOST_OPEN = 20
const MOST_ATTEMPTS = 20
const LOOK_AFTER = seconds(1)

/**
 * Open challenges that all sprouts of a site share: whoever challenged, any of them may take the answer.
 *
 * Which ones stay unanswered is watched by the sprout that made them.
 */
export class MemcachedChallengeStore implements ChallengeStore {
  readonly #clock: Clock
  readonly #table: MemcachedTable<Challenges>
  readonly #watch: UnansweredWatch

  constructor({ cluster, clock, onForeign, onError, otherSite }: MemcachedChallengesOptions) {
    this.#clock = clock
    this.#table = new MemcachedTable(cluster, {
      ...{ name: TABLE, codec, onForeign },
      lifeOf: challenges => this.#lifeOf(challenges),
      ...(otherSite === undefined ? {} : { otherSite: { ...otherSite, merge: merged } }),
    })
    this.#watch = new UnansweredWatch({
      clock,
      lookAfter: LOOK_AFTER,
      isUnanswered: async (impi, { nonce }) => {
        const stored = (await this.#table.get(impi))?.value.find(each => each.nonce === nonce)
        return stored?.nonceCount === 1
      },
      onError,
    })
  }

  async get(impi: string, nonce: string): Promise<Challenge | undefined> {
    const stored = await this.#table.get(impi)
    return stored?.value.find(each => each.nonce === nonce && this.#isOpen(each))
  }

  async put(impi: string, challenge: Challenge): Promise<void> {
    await this.#update(impi, open => [...open.filter(each => each.nonce !== challenge.nonce), challenge])
    this.#watch.add(impi, challenge)
  }

  async advance(
    impi: string,
    challenge: Challenge,
    expectedNonceCount: number,
  ): Promise<'stored' | 'conflict'> {
    const { nonce } = challenge
    return this.#update(impi, open => {
      const present = open.find(each => each.nonce === nonce)
      if (present?.nonceCount !== expectedNonceCount) return undefined
      const others = open.filter(each => each !== present)
      return this.#isOpen(challenge) ? [...others, challenge] : others
    })
  }

  async removeAll(impi: string): Promise<void> {
    await this.#update(impi, () => [])
  }

  onUnanswered(handler: (impi: string, challenge: Challenge) => void): void {
    this.#watch.handler = handler
  }

  /** Reads, changes and writes until nobody comes in between. */
  async #update(
    impi: string,
    change: (open: Challenges) => Challenges | undefined,
  ): Promise<'stored' | 'conflict'> {
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
      const stored = await this.#table.get(impi)
      const now = this.#clock.now()
      const kept = stored?.value.filter(each => each.expiresAt + GRACE * 1000 > now) ?? []
      const next = change(kept)?.slice(-MOST_OPEN)
      if (next === undefined) return 'conflict'
      if (next.length === 0 && stored === undefined) return 'stored'
      const result =
        next.length === 0 && stored !== undefined
          ? await this.#table.remove(impi, stored.version)
          : await this.#table.put(impi, next, stored?.version)
      if (result !== 'conflict') return 'stored'
    }
    return 'conflict'
  }

  #isOpen({ expiresAt }: OpenChallenge): boolean {
    return expiresAt > this.#clock.now()
  }

  #lifeOf(challenges: Challenges): number {
    return (Math.max(...challenges.map(each => each.expiresAt)) - this.#clock.now()) / 1000 + GRACE
  }
}

/** Whatever either site has; of a challenge that both have, the one that was answered more often. */
function merged(own: Challenges, other: Challenges): Challenges {
  const all = new Map(own.map(each => [each.nonce, each]))
  for (const each of other) {
    if (each.nonceCount > (all.get(each.nonce)?.nonceCount ?? -1)) all.set(each.nonce, each)
  }
  return [...all.values()].toSorted((a, b) => a.expiresAt - b.expiresAt).slice(-MOST_OPEN)
}

const codec: Codec<Challenges> = {
  encode: challenges => JSON.stringify({ authChallenges: challenges }),
  decode: text => {
    try {
      const value = JSON.parse(text) as { readonly authChallenges?: unknown } | null
      const challenges = value?.authChallenges
      return Array.isArray(challenges) && challenges.every(isChallenge) ? challenges : undefined
    } catch {
      return undefined
    }
  },
}

function isChallenge(value: unknown): value is Challenge {
  if (typeof value !== 'object' || value === null) return false
  const fields = value as Readonly<Record<string, unknown>>
  const secret = fields.secret as Readonly<Record<string, unknown>> | null | undefined
  return (
    ['nonce', 'realm', 'qop', 'impu', 'scscfUri'].every(name => typeof fields[name] === 'string') &&
    Number.isFinite(fields.nonceCount) &&
    Number.isFinite(fields.expiresAt) &&
    typeof secret === 'object' &&
    secret !== null &&
    (secret.kind === 'digest' ? typeof secret.ha1 === 'string' : isAka(secret))
  )
}

function isAka({ kind, version, password }: Readonly<Record<string, unknown>>): boolean {
  return kind === 'aka' && (version === 1 || version === 2) && typeof password === 'string'
}
