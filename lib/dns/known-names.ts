import { readFileSync, statSync } from 'node:fs'
import { isIP, isIPv4 } from 'node:net'
import type { DnsQueries } from './queries.ts'

/** What is known of a name without asking a server: its addresses, or the name that it stands for. */
export type KnownName =
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  | { readonly kind: 'alias'; readonly of: string }

/** @param name in lower case */
export type KnownNames = (name: string) => KnownName | undefined

/**
 * DNS behind what this machine knows by itself. Whoever writes down a name's addresses has settled where it is: no
 * NAPTR or SRV record is asked for then, so that names work at once where there is no zone and no server.
 */
export function withKnownNames(known: KnownNames, dns: DnsQueries): DnsQueries {
  const find = (name: string): KnownName | undefined => known(name.toLowerCase().replace(/\.$/, ''))

  /** The name to ask DNS for, or the addresses that need no asking; aliases are followed once. */
  const settled = (name: string): { readonly name: string; readonly addresses?: readonly string[] } => {
    const first = find(name)
    const target = first?.kind === 'alias' ? first.of : name
    const last = first?.kind === 'alias' ? find(first.of) : first
    return last?.kind === 'addresses' ? { name: target, addresses: last.addresses } : { name: target }
  }
  const addresses = (family: 4 | 6) => async (name: string) => {
    const found = settled(name)
    const own = found.addresses?.filter(address => isIP(address) === family) ?? []
    if (own.length > 0) return own
    return family === 4 ? dns.resolve4(found.name) : dns.resolve6(found.name)
  }
  return {
    resolve4: addresses(4),
    resolve6: addresses(6),
    resolveNaptr: async name => {
      const found = settled(name)
      return found.addresses === undefined ? dns.resolveNaptr(found.name) : []
    },
    resolveSrv: async name => {
      const [service = ''] = /^(?:_[^.]+\.){2}/.exec(name) ?? []
      const found = settled(name.slice(service.length))
      return found.addresses === undefined ? dns.resolveSrv(service + found.name) : []
    },
  }
}

/** Debian gives a machine's own name this address, where nobody else can reach it and no daemon listens. */
const OWN_NAME_ADDRESS = '127.0.1.1'
const LOOK_AGAIN_AFTER_MS = 1000

/** The names in `/etc/hosts`; an edit is seen within a second. A file that cannot be read knows no names. */
export class HostsFile {
  readonly #file: string
  readonly #now: () => number
  #names: ReadonlyMap<string, KnownName> = new Map()
  #lookedAt = -Infinity
  #version = ''

  constructor(file = '/etc/hosts', now: () => number = () => performance.now()) {
    this.#file = file
    this.#now = now
  }

  find(name: string): KnownName | undefined {
    if (this.#now() - this.#lookedAt >= LOOK_AGAIN_AFTER_MS) this.#look()
    return this.#names.get(name)
  }

  #look(): void {
    this.#lookedAt = this.#now()
    try {
      const { ino, size, mtimeMs } = statSync(this.#file)
      const version = `${ino} ${size} ${mtimeMs}`
      if (version === this.#version) return
      this.#names = parseHosts(readFileSync(this.#file, 'utf8'))
      this.#version = version
    } catch {
      this.#names = new Map()
      this.#version = ''
    }
  }
}

/** Reads hosts(5): an address, its names, a comment. Several lines for a name add up. */
export function parseHosts(text: string): ReadonlyMap<string, KnownName> {
  const addresses = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (isIP(address) === 0 || address === OWN_NAME_ADDRESS) continue
    for (const name of names) {
      const known = addresses.get(name.toLowerCase())
      if (known === undefined) addresses.set(name.toLowerCase(), [address])
      else if (!known.includes(address)) known.push(address)
    }
  }
  return new Map([...addresses].map(([name, list]) => [name, { kind: 'addresses', addresses: list }]))
}

/**
 * Reads `dns.json`: `{"hostnames":[{"name":…,"records":[{"rrtype":"A","targets":[…]}]}]}`, or one record of rrtype
 * `CNAME` with a `target`. @returns a sentence about the fault if it is not that
 */
export function parseDnsJson(text: string): ReadonlyMap<string, KnownName> | string {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (error) {
    return error instanceof Error ? error.message : 'not JSON'
  }
  if (!isObject(document) || !Array.isArray(document.hostnames)) return 'there is no list "hostnames"'
  const names = new Map<string, KnownName>()
  for (const [index, entry] of document.hostnames.entries()) {
    const known = isObject(entry) && Array.isArray(entry.records) ? recordOf(entry.records[0]) : undefined
    if (!isObject(entry) || typeof entry.name !== 'string' || known === undefined) {
      return `hostnames[${index}] has no name, or no record of rrtype A or CNAME`
    }
    names.set(entry.name.toLowerCase(), known)
  }
  return names
}

function recordOf(record: unknown): KnownName | undefined {
  if (!isObject(record)) return undefined
  const { rrtype, target, targets } = record
  if (rrtype === 'CNAME' && typeof target === 'string') return { kind: 'alias', of: target.toLowerCase() }
  if (rrtype !== 'A' || !Array.isArray(targets)) return undefined
  const addresses = targets.filter(each => typeof each === 'string' && isIPv4(each))
  return addresses.length === targets.length ? { kind: 'addresses', addresses } : undefined
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
