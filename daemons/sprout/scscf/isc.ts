import type { ChargingAddresses } from '../../../lib/ims/homestead.ts'
import type { Impu } from '../../../lib/ims/identity.ts'
import { formatServedUser } from '../../../lib/ims/served-user.ts'
import type { Fork } from '../../../lib/sip/forward.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { HeaderEdit, Headers } from '../../../lib/sip/headers.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { withoutParam, withParam } from '../../../lib/sip/params.ts'
import { formatUri, parseUri, uriParam, withUriParam } from '../../../lib/sip/uri.ts'
import type { Core } from '../core.ts'
import { formatOdi, type OdiToken } from './odi.ts'
import { recordRoute } from './record-route.ts'

export interface ServerCall {
  readonly serverName: string
  readonly token: OdiToken
  readonly charging: ChargingAddresses
  /** Stays in the dialog on this side of the server too. */
  readonly inSight: boolean
}

/**
 * The request as it goes to an application server: over it and back here, with the user it is about (TS 24.229
 * §5.4.3.2 step 6, sip.md §6.4).
 *
 * @returns undefined if the server's name is no SIP URI
 */
export function toServer(request: SipRequest, call: ServerCall, core: Core): Fork | undefined {
  const { token } = call
  const uri = parseUri(call.serverName)
  if (uri?.kind !== 'sip') return undefined
  const transport = uriParam(uri, 'transport')
  const over = transport === undefined ? '' : `;transport=${transport}`
  const orig = token.side === 'term' ? '' : ';orig'
  const back = `<sip:${formatOdi(token)}@${core.scscfNode}${over};lr;service=scscf${orig}>`

  const edit = request.headers.edit()
  edit.prependAll(H.Route, [`<${formatUri(withUriParam(uri, 'lr'))}>`, back])
  edit.set(H['P-Served-User'], formatServedUser(token))
  addCharging(edit, request.headers, call, core)
  if (call.inSight) recordRoute(edit, request, 'charge-none', core)
  return { request: request.with(edit.done()), hop: { via: 'uri', uri } }
}

/** Who is charged with, and by whom, where the edge has begun to charge at all. */
function addCharging(edit: HeaderEdit, headers: Headers, call: ServerCall, core: Core): void {
  const vector = headers.get(H['P-Charging-Vector'])
  if (vector !== undefined) {
    const name = call.token.side === 'term' ? 'term-ioi' : 'orig-ioi'
    edit.set(H['P-Charging-Vector'], withParam(vector, name, networkOf(call.token.impu, core)))
  }
  const functions = chargingFunctions(call.charging)
  if (functions !== '' && !headers.has(H['P-Charging-Function-Addresses']))
    edit.append(H['P-Charging-Function-Addresses'], functions)
}

/** The inter-operator identifier of a user's network: its domain, or ours for a number. */
function networkOf(impu: Impu, core: Core): string {
  const at = impu.lastIndexOf('@')
  return at === -1 ? core.options.homeDomains[0] : impu.slice(at + 1)
}

/** A diverted call ends in a network that is yet to be found. */
export function withoutTermIoi(headers: Headers): Headers {
  const vector = headers.get(H['P-Charging-Vector'])
  if (vector === undefined) return headers
  return headers.edit().set(H['P-Charging-Vector'], withoutParam(vector, 'term-ioi')).done()
}

/** The value of P-Charging-Function-Addresses; '' if there are none. */
export function chargingFunctions({ ccf, ecf }: ChargingAddresses): string {
  return [...ccf.map(address => `ccf=${address}`), ...ecf.map(address => `ecf=${address}`)].join(';')
}
