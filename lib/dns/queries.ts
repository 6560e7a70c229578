import { Resolver as DnsResolver } from 'node:dns/promises'

/** The part of DNS that locating a SIP server takes; the world's edge in a test. */
export interface DnsQueries {
  resolve4(name: string): Promise<readonly string[]>
  resolve6(name: string): Promise<readonly string[]>
  resolveSrv(name: string): Promise<readonly SrvRecord[]>
  resolveNaptr(name: string): Promise<readonly NaptrRecord[]>
}

export interface SrvRecord {
  readonly name: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

export interface NaptrRecord {
  readonly flags: string
  readonly service: string
  readonly replacement: string
  readonly order: number
  readonly preference: number
}

/** Asks these servers, in turn when one does not answer; without any, those of the machine. */
export function dnsServers(servers: readonly string[] = []): DnsQueries {
  const resolver = new DnsResolver({ timeout: 1000, tries: 2 })
  if (servers.length > 0) resolver.setServers(servers)
  return resolver
}
