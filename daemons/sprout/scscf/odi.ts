import { impuOf, type Impu } from '../../../lib/ims/identity.ts'
import type { Side } from '../../../lib/ims/served-user.ts'
import { parseUri } from '../../../lib/sip/uri.ts'

/**
 * Where a request stands in the chain of a user's application servers: the original dialog identifier of TS 24.229
 * §5.4.3.4.
 *
 * The chain is in the token itself and nowhere else, so that any sprout may take the next step, also one that was
 * started since. It is not signed: who may send here is believed in P-Served-User too, which says as much.
 */
export interface OdiToken {
  /** Ten characters, unique to one visit of one server. */
  readonly visit: string
  readonly side: Side
  readonly registered: boolean
  /** Place of the criterion to go on with; at least 1. */
  readonly next: number
  /** Max-Forwards that the server was given: it may not come back with more, or a loop of servers would not end. */
  readonly maxForwards: number
  readonly impu: Impu
}

/** The token as user part of the Route by which a request comes back. */
export function formatOdi(token: OdiToken): string {
  const { visit, side, registered, next, maxForwards, impu } = token
  const state = side.charAt(0) + (registered ? 'r' : 'u')
  return `odi_${visit}.${state}.${next}.${maxForwards}.${Buffer.from(impu, 'latin1').toString('base64url')}`
}

const TOKEN = /^odi_([\w-]{10})\.([otc])([ru])\.([1-9]\d{0,2})\.(\d{1,3})\.([\w-]{1,700})$/

/** Reads the user part of a Route; undefined if it is no token of ours. */
export function parseOdi(user: string): OdiToken | undefined {
  const match = TOKEN.exec(user)
  if (match === null) return undefined
  const [, visit = '', side = '', state, next, maxForwards, identity = ''] = match
  const uri = parseUri(Buffer.from(identity, 'base64url').toString('latin1'))
  const impu = uri === undefined ? undefined : impuOf(uri)
  if (impu === undefined) return undefined
  return {
    visit,
    side: side === 'o' ? 'orig' : side === 't' ? 'term' : 'cdiv',
    registered: state === 'r',
    next: Number(next),
    maxForwards: Number(maxForwards),
    impu,
  }
}
