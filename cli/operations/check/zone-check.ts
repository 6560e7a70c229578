import { Resolver } from 'node:dns/promises'
import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import { hostNames, serviceRecords } from '../../fleet/playbook/names.ts'
import type { Finding } from './catalogue.ts'
import type { Examined } from './examine.ts'

/** What a record says, as texts in any order; `undefined`: there is none; `unknown`: nobody answers. */
type Answer = readonly string[] | undefined | 'unknown'

/** The questions that are asked of DNS. */
export interface Lookup {
  addresses(name: string): Promise<Answer>
  srv(name: string): Promise<Answer>
  naptr(name: string): Promise<Answer>
}

/** DNS as this machine has it. */
export function systemLookup(): Lookup {
  const resolver = new Resolver({ timeout: 2_000, tries: 1 })
  const ask = async (question: () => Promise<readonly string[]>): Promise<Answer> => {
    try {
      return await question()
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : ''
      return code === 'ENOTFOUND' || code === 'ENODATA' ? undefined : 'unknown'
    }
  }
  return {
    addresses: async name => {
      const [v4, v6] = await Promise.all([
        ask(() => resolver.resolve4(name)),
        ask(() => resolver.resolve6(name)),
      ])
      if (v4 === 'unknown' || v6 === 'unknown') return 'unknown'
      return v4 === undefined && v6 === undefined ? undefined : [...(v4 ?? []), ...(v6 ?? [])]
    },
    srv: name => ask(async () => (await resolver.resolveSrv(name)).map(each => `${each.name}:${each.port}`)),
    naptr: name =>
      ask(async () => (await resolver.resolveNaptr(name)).map(each => `${each.service} ${each.replacement}`)),
  }
}

/** Compares the zone, as this machine sees it, with what the deployment needs; and how nodes manage without. */
export async function zoneFindings(
  deployment: Deployment,
  lookup: Lookup,
  hosts: ReadonlyMap<string, Examined>,
): Promise<readonly Finding[]> {
  const wanted = recordsOf(deployment, lookup)
  const answers = await Promise.all(wanted.map(async record => ({ ...record, got: await record.ask() })))
  const wrong = answers.filter(
    ({ want, got }) => Array.isArray(got) && !isSame(want, got as readonly string[]),
  )
  const absent = answers.filter(({ got }) => got === undefined)
  const unknown = answers.some(({ got }) => got === 'unknown')
  const findings: Finding[] = wrong.map(({ name, type, want, got }) => ({
    ...{ code: 'DNS', result: 'no' },
    message: `${name} ${type} is ${(got as readonly string[]).join(', ')}, and should be ${want.join(', ')}`,
  }))
  if (absent.length > 0) {
    const names = absent.slice(0, 3).map(({ name, type }) => `${name} ${type}`)
    const more = absent.length > names.length ? ` and ${absent.length - names.length} more` : ''
    const covered = coveredBy(deployment, hosts)
    findings.push({
      ...{ code: 'DNS', result: 'warning' },
      message: `DNS has no ${names.join(', ')}${more}; ${covered}. Phones outside need the zone: cw dns zone`,
    })
  }
  if (findings.length > 0) return findings
  return unknown
    ? [{ code: 'DNS', result: 'unknown', message: 'no DNS server answers this machine' }]
    : [{ code: 'DNS', result: 'ok', message: `${wanted.length} records are right` }]
}

/** Whether nodes know all names by themselves: cw deploy writes them into /etc/hosts. */
function coveredBy(deployment: Deployment, hosts: ReadonlyMap<string, Examined>): string {
  const siteOf = new Map(deployment.nodes.map(({ name, site }) => [name, site]))
  const lacking = [...hosts].filter(([node, { names: known }]) => {
    const names = hostNames(deployment, siteOf.get(node))
    return !names.every(({ name, addresses }) => isSame(addresses, known.get(name) ?? []))
  })
  if (hosts.size > 0 && lacking.length === 0) return 'the nodes know the names by /etc/hosts'
  return 'cw deploy writes the names into /etc/hosts of the nodes'
}

interface WantedRecord {
  readonly name: string
  readonly type: 'A/AAAA' | 'SRV' | 'NAPTR'
  readonly want: readonly string[]
  readonly ask: () => Promise<Answer>
}

function recordsOf(deployment: Deployment, lookup: Lookup): readonly WantedRecord[] {
  const { srv, naptr } = serviceRecords(deployment)
  const naptrs = Map.groupBy(naptr, ({ name }) => name)
  return [
    ...hostNames(deployment).map(({ name, addresses }) => ({
      ...{ name, type: 'A/AAAA' as const, want: addresses },
      ask: () => lookup.addresses(name),
    })),
    ...srv.map(({ name, port, targets }) => ({
      ...{ name, type: 'SRV' as const, want: targets.map(({ host }) => `${host}:${port}`) },
      ask: () => lookup.srv(name),
    })),
    ...[...naptrs].map(([name, records]) => ({
      ...{ name, type: 'NAPTR' as const },
      want: records.map(({ service, replacement }) => `${service} ${replacement}`),
      ask: () => lookup.naptr(name),
    })),
  ]
}

function isSame(want: readonly string[], got: readonly string[]): boolean {
  const set = (texts: readonly string[]): string =>
    [...new Set(texts.map(text => text.toLowerCase()))].sort().join(' ')
  return set(want) === set(got)
}
