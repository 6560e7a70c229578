import { isIP } from 'node:net'
import { dnsServers } from './cached-dns.ts'
import { HostsFile, withKnownNames, type KnownNames } from './known-names.ts'
import type { DnsQueries } from './queries.ts'

export interface MachineDnsOptions {
  /** Instead of the machine's own. */
  readonly servers?: readonly string[]
  /** What is known before anybody is asked, such as the names of `dns.json`. */
  readonly names?: KnownNames
}

/** DNS as one machine sees it: names that it was told, those in `/etc/hosts`, then its servers behind a cache. */
export function machineDns({ servers = [], names }: MachineDnsOptions = {}): DnsQueries {
  const hosts = new HostsFile()
  return withKnownNames(name => names?.(name) ?? hosts.find(name), dnsServers({ servers }))
}

/** Every address of a host in one order or another, for a client that tries them in turn. */
export type AddressLookup = (host: string) => Promise<readonly string[]>

/**
 * Looks up hosts in one family of addresses, and in the other where that has none.
 *
 * @returns what never rejects: nothing is found where nobody answers
 */
export function addressLookup(dns: DnsQueries, family: 4 | 6): AddressLookup {
  const inFamily = (host: string, which: 4 | 6): Promise<readonly string[]> =>
    (which === 4 ? dns.resolve4(host) : dns.resolve6(host)).catch(() => [])
  return async host => {
    if (isIP(host) !== 0) return [host]
    const found = await inFamily(host, family)
    return found.length > 0 ? found : inFamily(host, family === 4 ? 6 : 4)
  }
}
