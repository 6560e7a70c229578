import type { DnsQueries, NaptrRecord } from '../../dns/queries.ts'
import type { EnumService } from './enum.ts'
import { parseSubstitution } from './substitution.ts'

/** What is asked for: addresses, and where a number has been ported to (RFC 6116, RFC 4769). */
const SERVICES = new Set(['e2u+sip', 'e2u+pstn:sip', 'e2u+pstn:tel'])
/** A number that leads to another one, which leads to another one. */
const MOST_QUERIES = 5

/**
 * ENUM by DNS (RFC 6116): the digits of a number backwards, as a name below the suffix.
 *
 * @param suffix `e164.arpa`, or a domain of one's own
 */
export function dnsEnum(dns: Pick<DnsQueries, 'resolveNaptr'>, suffix: string): EnumService {
  return {
    lookup: async number => {
      let name = domainOf(number, suffix)
      for (let query = 0; name !== undefined && query < MOST_QUERIES; query++) {
        const found = firstMatch(await recordsOf(dns, name), number)
        if (found === undefined || found.isLast) return found?.result
        // What is not the last word is where to ask on: a name, or a number (RFC 3402 §3.3).
        name = /[a-z]/i.test(found.result) ? found.result : domainOf(found.result, suffix)
      }
      return undefined
    },
  }
}

function domainOf(number: string, suffix: string): string | undefined {
  const digits = number.replace(/\D/g, '')
  return digits === '' ? undefined : `${digits.split('').reverse().join('.')}.${suffix}`
}

async function recordsOf(
  dns: Pick<DnsQueries, 'resolveNaptr'>,
  name: string,
): Promise<readonly NaptrRecord[]> {
  try {
    return await dns.resolveNaptr(name)
  } catch {
    return []
  }
}

/** In the order of the records, the first that applies. One with other flags is somebody else's business. */
function firstMatch(
  records: readonly NaptrRecord[],
  number: string,
): { readonly result: string; readonly isLast: boolean } | undefined {
  const usable = records
    .filter(({ service }) => SERVICES.has(service.toLowerCase()))
    .toSorted((a, b) => a.order - b.order || a.preference - b.preference)
  for (const { flags, regexp } of usable) {
    const isLast = flags.toLowerCase() === 'u'
    if (!isLast && flags !== '') continue
    const result = parseSubstitution(regexp)?.(number)
    if (result !== undefined) return { result, isLast }
  }
  return undefined
}
