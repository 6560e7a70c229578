import { forwardAck, type Fork } from '../../../lib/sip/forward.ts'
import type { ServerExchange } from '../../../lib/sip/exchange.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { nextHopOf, sipUriOf } from '../../../lib/sip/routing.ts'
import type { Binding } from '../../../lib/store/registration-store.ts'
import type { Core } from '../core.ts'
import { recordRoute } from './record-route.ts'
import { forgetBinding } from './registrar.ts'
import type { Served } from './served.ts'

/** At most so many contacts of a user ring at once. */
const MOST_FORKS = 10

/** Sends a request to the phones of a user (TS 24.229 §5.4.3.3, sip.md §6.8). */
export async function toContacts(
  exchange: ServerExchange,
  request: SipRequest,
  served: Served,
  core: Core,
): Promise<void> {
  const stored = await core.registrations.get(served.setName)
  const now = core.clock.now()
  const targets = targetsOf(stored?.value.bindings ?? [], served, now)
  if (targets.length === 0) return core.answer(exchange, 480)

  const edit = request.headers.edit().set(H['P-Called-Party-ID'], `<${served.impu}>`)
  recordRoute(edit, request, 'charge-term', core)
  const shared = edit.done()
  const forks: Fork[] = []
  const keys: string[] = []
  for (const binding of targets) {
    const fork = forkTo(binding, request.with(shared, binding.uri))
    if (fork === undefined) continue
    forks.push(fork)
    keys.push(binding.key)
  }
  const [first] = forks
  if (first === undefined) return core.answer(exchange, 480)
  if (request.method === 'ACK') {
    forwardAck(first.request, first.hop, core.node, core.nameOf('scscf'))
    return
  }
  const { response } = await core.forward(exchange, forks, 'scscf', {
    onForkEnd: (fork, end) => {
      const key = keys[fork]
      const flowIsGone = typeof end === 'object' && end.status === 430
      if (flowIsGone && key !== undefined) core.inBackground(() => forgetBinding(core, served.setName, key))
    },
  })
  if (response.status >= 300) exchange.respond(response)
}

/** The contacts that ring: at most ten, by q, then by how fresh they are. */
function targetsOf(bindings: readonly Binding[], served: Served, now: number): readonly Binding[] {
  return bindings
    .filter(binding => binding.expiresAt > now && (!served.emergencyOnly || binding.emergency))
    .sort((a, b) => b.q - a.q || b.expiresAt - a.expiresAt)
    .slice(0, MOST_FORKS)
}

/** The way to a contact is the Path it registered over (RFC 3327 §5.3). */
function forkTo(binding: Binding, request: SipRequest): Fork | undefined {
  const [first] = binding.paths
  if (first === undefined) {
    const hop = nextHopOf(request)
    return hop === undefined ? undefined : { request, hop }
  }
  const edit = request.headers.edit()
  for (const path of binding.paths) edit.append(H.Route, path)
  const uri = sipUriOf(first)
  return uri === undefined ? undefined : { request: request.with(edit.done()), hop: { via: 'uri', uri } }
}
