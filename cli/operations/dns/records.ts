import { isIPv6 } from 'node:net'
import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import { hostNames, serviceRecords } from '../../fleet/playbook/names.ts'

export const RECORD_TYPES = ['A', 'AAAA', 'NAPTR', 'SRV'] as const
export type RecordType = (typeof RECORD_TYPES)[number]

/** All records of one name and type; their values as a zone file has them, in order. */
export interface RecordSet {
  /** Without a dot at its end. */
  readonly name: string
  readonly type: RecordType
  readonly values: readonly string[]
}

/** What becomes of one set of records. */
export interface RecordChange {
  readonly name: string
  readonly type: RecordType
  readonly before: readonly string[]
  /** Empty: they are taken away. */
  readonly after: readonly string[]
}

/** The records of a deployment that lie in a zone. Names elsewhere are somebody else's to keep. */
export function recordSets(deployment: Deployment, zone: string): readonly RecordSet[] {
  const { srv, naptr } = serviceRecords(deployment)
  const each: { readonly name: string; readonly type: RecordType; readonly value: string }[] = [
    ...hostNames(deployment).flatMap(({ name, addresses }) =>
      addresses.map(value => ({ name, type: isIPv6(value) ? ('AAAA' as const) : ('A' as const), value })),
    ),
    ...naptr.map(({ name, order, service, replacement }) => ({
      ...{ name, type: 'NAPTR' as const },
      value: naptrValue({ order, preference: 1, flags: 'S', service, regexp: '', replacement }),
    })),
    ...srv.flatMap(({ name, port, targets }) =>
      targets.map(({ host, priority }) => ({
        ...{ name, type: 'SRV' as const },
        value: srvValue({ priority, weight: 0, port, name: host }),
      })),
    ),
  ]
  const inZone = each.filter(({ name }) => name === zone || name.endsWith(`.${zone}`))
  return [...Map.groupBy(inZone, ({ name, type }) => `${name} ${type}`).values()].flatMap(group => {
    const [first] = group
    if (first === undefined) return []
    return [{ name: first.name, type: first.type, values: group.map(({ value }) => value).toSorted() }]
  })
}

export function srvValue(srv: { priority: number; weight: number; port: number; name: string }): string {
  return `${srv.priority} ${srv.weight} ${srv.port} ${srv.name}.`
}

export function naptrValue(naptr: {
  order: number
  preference: number
  flags: string
  service: string
  regexp: string
  replacement: string
}): string {
  const { order, preference, flags, service, regexp, replacement } = naptr
  return `${order} ${preference} "${flags.toUpperCase()}" "${service}" "${regexp}" ${replacement}.`
}

/**
 * What has to change in DNS.
 *
 * @param wanted sets that there are to be
 * @param there what DNS has of them, and of sets that it was given before
 */
export function recordChanges(
  wanted: readonly RecordSet[],
  there: readonly RecordSet[],
): readonly RecordChange[] {
  const key = ({ name, type }: RecordSet): string => `${name} ${type}`
  const before = new Map(there.map(set => [key(set), set.values]))
  const after = new Map(wanted.map(set => [key(set), set.values]))
  const gone = there.filter(set => !after.has(key(set)) && set.values.length > 0)
  return [
    ...wanted.map(({ name, type, values }) => ({ name, type, before: before.get(`${name} ${type}`) ?? [], after: values })), // prettier-ignore
    ...gone.map(({ name, type, values }) => ({ name, type, before: values, after: [] })),
  ].filter(change => change.before.join('\n') !== change.after.join('\n'))
}
