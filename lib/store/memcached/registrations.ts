import type { Clock } from '../../kit/clock.ts'
import type {
  RecordHistory,
  RegistrationRecord,
  RegistrationStore,
  Versioned,
} from '../registration-store.ts'
import type { MemcachedCluster } from './cluster.ts'
import { emptied, isEmptied, merged, remembersUntil, withHistory } from './history.ts'
import { MemcachedTable, type Codec } from './table.ts'

export interface MemcachedRegistrationsOptions {
  readonly cluster: MemcachedCluster
  readonly clock: Clock
  /** Told of the identity of each record that cannot be read. */
  readonly onForeign: (impu: string) => void
  readonly otherSite?: {
    readonly cluster: MemcachedCluster
    /** Told of the identity of each record of which the other site has not the newest. */
    readonly onBehind: (impu: string) => void
  }
}

/** In front of the keys of registrations. */
export const REGISTRATIONS = 'reg'
/** A record outlives its last binding by so many seconds. */
const GRACE = 10

/** Registrations that all sprouts of a site share, or of both sites. */
export class MemcachedRegistrationStore implements RegistrationStore {
  readonly #clock: Clock
  readonly #table: MemcachedTable<RegistrationRecord>
  readonly #hasOtherSite: boolean

  constructor({ cluster, clock, onForeign, otherSite }: MemcachedRegistrationsOptions) {
    this.#clock = clock
    this.#hasOtherSite = otherSite !== undefined
    this.#table = new MemcachedTable(cluster, {
      ...{ name: REGISTRATIONS, codec: registrationCodec, onForeign },
      lifeOf: record => (remembersUntil(record) - clock.now()) / 1000 + GRACE,
      ...(otherSite === undefined
        ? {}
        : { otherSite: { ...otherSite, merge: (own, other) => merged(own, other, clock.now()) } }),
    })
  }

  async get(impu: string): Promise<Versioned<RegistrationRecord> | undefined> {
    const found = await this.#table.get(impu)
    return found !== undefined && this.#isOver(found.value) ? undefined : found
  }

  async put(
    impu: string,
    record: RegistrationRecord,
    expected: number | undefined,
  ): Promise<'stored' | 'conflict'> {
    if (!this.#hasOtherSite) return this.#table.put(impu, record, expected)
    const now = this.#clock.now()
    if (expected !== undefined) return this.#table.put(impu, withHistory(record, now), expected)
    // Of one who was registered before, it is to be remembered what was removed.
    const found = await this.#table.get(impu)
    if (found === undefined) return this.#table.put(impu, withHistory(record, now), undefined)
    if (!this.#isOver(found.value)) return 'conflict'
    return this.#table.put(impu, withHistory({ ...found.value, ...record }, now), found.version)
  }

  async remove(impu: string, expected: number): Promise<'removed' | 'conflict'> {
    if (!this.#hasOtherSite) return this.#table.remove(impu, expected)
    const found = await this.#table.get(impu)
    if (found?.version !== expected || this.#isOver(found.value)) return 'conflict'
    const result = await this.#table.put(impu, emptied(found.value, this.#clock.now()), expected)
    return result === 'stored' ? 'removed' : 'conflict'
  }

  /** As `MemcachedTable.takeOver`. */
  takeOver(full: string): ReturnType<MemcachedTable<RegistrationRecord>['takeOver']> {
    return this.#table.takeOver(full)
  }

  /** Only its history is left of it. */
  #isOver(record: RegistrationRecord): boolean {
    return record.history !== undefined && isEmptied(record)
  }
}

/** How a registration stands in memcached. */
export const registrationCodec: Codec<RegistrationRecord> = {
  encode: record => JSON.stringify(record),
  decode: text => {
    try {
      const value: unknown = JSON.parse(text)
      return isRecord(value) ? value : undefined
    } catch {
      return undefined
    }
  },
}

type Fields = Readonly<Record<string, unknown>>

/** Whether it has what is relied on: whoever writes into a shared store may be another version, or no friend. */
function isRecord(value: unknown): value is RegistrationRecord {
  if (!isObject(value)) return false
  const { bindings, subscriptions, associatedUris, notifyCseq, scscfUri, history } = value
  return (
    Array.isArray(bindings) &&
    bindings.every(isBinding) &&
    isObject(subscriptions) &&
    Object.values(subscriptions).every(isSubscription) &&
    areTexts(associatedUris) &&
    typeof notifyCseq === 'number' &&
    typeof scscfUri === 'string' &&
    (history === undefined || isHistory(history))
  )
}

function isHistory(value: unknown): value is RecordHistory {
  return (
    isObject(value) &&
    hasNumbers(value, ['at']) &&
    isObject(value.entries) &&
    Object.values(value.entries).every(each => isObject(each) && hasNumbers(each, ['since', 'at', 'until']))
  )
}

function isBinding(value: unknown): boolean {
  return (
    isObject(value) &&
    hasTexts(value, ['key', 'uri', 'callId', 'params', 'impi']) &&
    hasNumbers(value, ['cseq', 'expiresAt', 'q']) &&
    areTexts(value.paths) &&
    typeof value.emergency === 'boolean'
  )
}

function isSubscription(value: unknown): boolean {
  return (
    isObject(value) &&
    hasTexts(value, ['requestUri', 'fromUri', 'fromTag', 'toUri', 'toTag', 'callId']) &&
    hasNumbers(value, ['expiresAt', 'cseq', 'version']) &&
    areTexts(value.routes)
  )
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(each => typeof each === 'string')
}

function hasTexts(value: Fields, names: readonly string[]): boolean {
  return names.every(name => typeof value[name] === 'string')
}

function hasNumbers(value: Fields, names: readonly string[]): boolean {
  return names.every(name => Number.isFinite(value[name]))
}
