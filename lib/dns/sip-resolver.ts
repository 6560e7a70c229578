import type { Resolver, Target } from '../sip/resolver.ts'
import type { TransportName } from '../sip/transport/flow.ts'
import { uriParam, type SipUri } from '../sip/uri.ts'
import type { DnsQueries, SrvRecord } from './queries.ts'

type IsAvoided = (target: Target) => boolean

const isNever: IsAvoided = () => false

const MOST_TARGETS = 5
/** How many hosts of one SRV record are looked up, whatever is avoided. */
const MOST_HOSTS = 32
const SERVICES: Readonly<Record<string, TransportName>> = { 'SIP+D2U': 'UDP', 'SIP+D2T': 'TCP' }

export interface SipResolverOptions {
  /** IPv4 or IPv6: a deployment speaks one of them (sip.md §1.1). */
  readonly family: 4 | 6
  readonly dns: DnsQueries
  /** Ports of names (in lower case) for which neither the URI nor a SRV record gives one; 5060 of all others. */
  readonly usualPorts?: ReadonlyMap<string, number>
  /** 0 up to 1, for the choice by weight. */
  readonly random?: () => number
}

/** Locates SIP servers by NAPTR, SRV and address records (RFC 3263 §4, the part that sip.md §8.2 lists). */
export class SipResolver implements Resolver {
  readonly #dns: DnsQueries
  readonly #family: 4 | 6
  readonly #random: () => number
  readonly #usualPorts: ReadonlyMap<string, number>

  constructor(options: SipResolverOptions) {
    this.#dns = options.dns
    this.#family = options.family
    this.#random = options.random ?? Math.random
    this.#usualPorts = options.usualPorts ?? new Map<string, number>()
  }

  async resolve(uri: SipUri, isAvoided: IsAvoided = isNever): Promise<readonly Target[]> {
    const candidates = await this.#candidates(uri, isAvoided)
    if (isAvoided === isNever) return candidates.slice(0, MOST_TARGETS)
    return [
      ...candidates.filter(target => !isAvoided(target)),
      ...candidates.filter(target => isAvoided(target)),
    ].slice(0, MOST_TARGETS)
  }

  async #candidates(uri: SipUri, isAvoided: IsAvoided): Promise<readonly Target[]> {
    const named = uriParam(uri, 'transport')?.toUpperCase()
    if (named !== undefined && named !== 'UDP' && named !== 'TCP') return []
    if (uri.port !== undefined) return this.#addresses(uri.host, uri.port, named ?? 'UDP')
    if (named !== undefined) {
      const targets = await this.#service(`_sip._${named.toLowerCase()}.${uri.host}`, named, isAvoided)
      return targets.length > 0 ? targets : this.#addresses(uri.host, this.#usualPort(uri.host), named)
    }
    return this.#byName(uri.host, isAvoided)
  }

  async #byName(host: string, isAvoided: IsAvoided): Promise<readonly Target[]> {
    const pointers = (await orNone(this.#dns.resolveNaptr(host)))
      .filter(record => SERVICES[record.service.toUpperCase()] !== undefined)
      .toSorted((a, b) => a.order - b.order || a.preference - b.preference)
    for (const { service, flags, replacement } of pointers) {
      const transport = SERVICES[service.toUpperCase()] ?? 'UDP'
      const targets =
        flags.toUpperCase() === 'A'
          ? await this.#addresses(replacement, this.#usualPort(replacement), transport)
          : await this.#service(replacement, transport, isAvoided)
      if (targets.length > 0) return targets
    }
    for (const transport of ['UDP', 'TCP'] as const) {
      const targets = await this.#service(`_sip._${transport.toLowerCase()}.${host}`, transport, isAvoided)
      if (targets.length > 0) return targets
    }
    return this.#addresses(host, this.#usualPort(host), 'UDP')
  }

  #usualPort(host: string): number {
    return this.#usualPorts.get(host.toLowerCase()) ?? 5060
  }

  /** Looks up no more hosts of a SRV record than it takes to have enough that are not avoided. */
  async #service(name: string, transport: TransportName, isAvoided: IsAvoided): Promise<readonly Target[]> {
    const records = inOrder(await orNone(this.#dns.resolveSrv(name)), this.#random)
    const targets: Target[] = []
    let good = 0
    for (const { name: host, port, priority } of records.slice(0, MOST_HOSTS)) {
      const addresses = await this.#addresses(host, port, transport)
      const found = priority === 0 ? addresses : addresses.map(target => ({ ...target, priority }))
      targets.push(...found)
      good += found.filter(target => !isAvoided(target)).length
      if (good >= MOST_TARGETS) break
    }
    return targets
  }

  async #addresses(host: string, port: number, transport: TransportName): Promise<readonly Target[]> {
    const query = this.#family === 4 ? this.#dns.resolve4(host) : this.#dns.resolve6(host)
    return shuffled(await orNone(query), this.#random).map(address => ({ transport, address, port }))
  }
}

/** Each order is as likely as any other. */
function shuffled(addresses: readonly string[], random: () => number): readonly string[] {
  return addresses
    .map(address => ({ address, key: random() }))
    .toSorted((a, b) => a.key - b.key)
    .map(entry => entry.address)
}

/** By priority, and within one by weighted chance; weight 0 is chosen last but not never (RFC 2782). */
function inOrder(records: readonly SrvRecord[], random: () => number): readonly SrvRecord[] {
  return records
    .map(record => ({ record, key: -Math.log(1 - random()) / (record.weight * 100 + 1) }))
    .toSorted((a, b) => a.record.priority - b.record.priority || a.key - b.key)
    .map(entry => entry.record)
}

/** No such record and no answer are the same to a caller that asks further. */
async function orNone<T>(query: Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await query
  } catch {
    return []
  }
}
