import { parseNameAddr } from '../sip/name-addr.ts'
import { param } from '../sip/params.ts'
import { parseUri } from '../sip/uri.ts'
import { impuOf, type Impu } from './identity.ts'

/** On whose behalf, and in which role, servers are visited: `cdiv` for a callee that sends the call elsewhere. */
export type Side = 'orig' | 'term' | 'cdiv'

/** What P-Served-User tells an application server (RFC 5502, and RFC 8498 for `cdiv`). */
export interface ServedUser {
  readonly impu: Impu
  readonly side: Side
  readonly registered: boolean
}

/** The value of P-Served-User. */
export function formatServedUser({ impu, side, registered }: ServedUser): string {
  if (side === 'cdiv') return `<${impu}>;orig-cdiv`
  return `<${impu}>;sescase=${side};regstate=${registered ? 'reg' : 'unreg'}`
}

/**
 * Reads P-Served-User; undefined if it names nobody, or no role.
 *
 * Of somebody whose call is diverted it does not say whether he is registered; he counts as registered.
 */
export function parseServedUser(value: string): ServedUser | undefined {
  const address = parseNameAddr(value)
  const uri = address === undefined ? undefined : parseUri(address.uri)
  const impu = uri === undefined ? undefined : impuOf(uri)
  if (address === undefined || impu === undefined) return undefined
  const side = param(address.params, 'orig-cdiv') === undefined ? param(address.params, 'sescase') : 'cdiv'
  if (side !== 'cdiv' && side !== 'orig' && side !== 'term') return undefined
  return { impu, side, registered: param(address.params, 'regstate') !== 'unreg' }
}
