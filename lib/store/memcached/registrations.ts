import type { Clock } from '../../kit/clock.ts'
import {
  lastExpiry,
  type RegistrationRecord,
  type RegistrationStore,
  type Versioned,
} from '../registration-store.ts'
import type { MemcachedCluster } from './cluster.ts'
import { MemcachedTable, type Codec } from './table.ts'

export interface MemcachedRegistrationsOptions {
  readonly cluster: MemcachedCluster
  readonly clock: Clock
  /** Told of the identity of each record that cannot be read. */
  readonly onForeign: (impu: string) => void
}

const TABLE = 'reg'
/** A record outlives its last binding by so many seconds. */
const GRACE = 10

/** Registrations that all sprouts of a site share. */
export class MemcachedRegistrationStore implements RegistrationStore {
  readonly #clock: Clock
  readonly #table: MemcachedTable<RegistrationRecord>

  constructor({ cluster, clock, onForeign }: MemcachedRegistrationsOptions) {
    this.#clock = clock
    this.#table = new MemcachedTable(cluster, { name: TABLE, codec, onForeign })
  }

  get(impu: string): Promise<Versioned<RegistrationRecord> | undefined> {
    return this.#table.get(impu)
  }

  put(
    impu: string,
    record: RegistrationRecord,
    expected: number | undefined,
  ): Promise<'stored' | 'conflict'> {
    const ttl = (lastExpiry(record) - this.#clock.now()) / 1000 + GRACE
    return this.#table.put(impu, record, ttl, expected)
  }

  remove(impu: string, expected: number): Promise<'removed' | 'conflict'> {
    return this.#table.remove(impu, expected)
  }
}

const codec: Codec<RegistrationRecord> = {
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
  const { bindings, subscriptions, associatedUris, notifyCseq, scscfUri } = value
  return (
    Array.isArray(bindings) &&
    bindings.every(isBinding) &&
    isObject(subscriptions) &&
    Object.values(subscriptions).every(isSubscription) &&
    areTexts(associatedUris) &&
    typeof notifyCseq === 'number' &&
    typeof scscfUri === 'string'
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
