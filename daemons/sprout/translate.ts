import { classifyUri, numberParam, type UriClass } from '../../lib/ims/identity.ts'
import type { SipRequest } from '../../lib/sip/message.ts'
import { parseUri, type Uri } from '../../lib/sip/uri.ts'
import type { Core } from './core.ts'
import { numberOf } from './number.ts'

/** Which answers of ENUM a function takes: the BGCF only wants to know where a number has been ported to. */
type Wanted = 'any' | 'portability'

/**
 * The request with what ENUM says its number stands for as Request-URI (sip.md §6.5); as it was if that is nothing.
 *
 * A number whose portability is known already is looked up anew only where `override_npdi` asks for it. What is no SIP URI
 * is not taken: a number that leads to a number is no nearer to anybody (manual 8.29.2).
 */
export async function translated(request: SipRequest, wanted: Wanted, core: Core): Promise<SipRequest> {
  const target = request.parsedUri
  if (core.enum === undefined || target === undefined) return request
  const isDefault = core.enum.isDefault === true
  if (isDefault && (target.kind !== 'tel' || wanted === 'portability')) return request
  const kind = classifyUri(target, core.uriContext)
  // Where a number has been ported to is not for the home domain to say.
  if (isDefault && kind !== 'global-number') return request
  if (kind !== 'global-number' && kind !== 'np-data' && kind !== 'final-np-data') return request
  const number = numberOf(target, core.uriContext)
  const result = number === undefined ? undefined : await core.enum.lookup(number)
  const found = result === undefined ? undefined : parseUri(result)
  if (result === undefined || found?.kind !== 'sip') return request
  const isPorted = numberParam(found, 'rn') !== undefined
  if (isPorted && kind === 'final-np-data' && !core.options.overrideNpdi) return request
  if (wanted === 'portability' && !isPorted && numberParam(found, 'npdi') === undefined) return request
  return request.with(request.headers, result)
}

/** Whether a target of a class in the routing context leads out of the network: what is no user of ours, or a number. */
export function leadsOut(kind: UriClass, target: Uri, core: Core): boolean {
  if (kind === 'offnet-sip') return true
  // Without ENUM nobody has said that the number is not ours.
  if (core.enum === undefined) return false
  if (core.enum.isDefault === true) return kind === 'np-data' || kind === 'final-np-data'
  return isNumber(kind) || numberParam(target, 'npdi') !== undefined
}

function isNumber(kind: UriClass): boolean {
  return kind === 'global-number' || kind === 'local-number' || kind === 'np-data' || kind === 'final-np-data'
}
