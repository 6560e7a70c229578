import {
  betterOf,
  forwardAck,
  type Fork,
  type ForwardOptions,
  type Outcome,
} from '../../../lib/sip/forward.ts'
import type { ServerExchange } from '../../../lib/sip/exchange.ts'
import type { Awaitable } from '../../../lib/kit/awaitable.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { nextHopOf, sipUriOf } from '../../../lib/sip/routing.ts'
import type { Binding } from '../../../lib/store/registration-store.ts'
import type { Core } from '../core.ts'
import { recordRoute } from './record-route.ts'
import { forgetBinding } from './deregister.ts'
import type { Served } from './served.ts'
import { targetsOf } from './targets.ts'

/** Sends a request to the phones of a user (TS 24.229 §5.4.3.3, sip.md §6.8). */
export async function toContacts(
  exchange: ServerExchange,
  request: SipRequest,
  served: Served,
  core: Core,
): Promise<void> {
  const stored = await core.registrations.get(served.setName)
  const targets = targetsOf(stored?.value.bindings ?? [], request, served, core)
  if (typeof targets === 'number') return core.answer(exchange, targets)

  const edit = request.headers.edit().set(H['P-Called-Party-ID'], `<${served.impu}>`)
  recordRoute(edit, request, 'charge-term', core)
  const shared = edit.done()
  const forks: Fork[] = []
  const keys: string[] = []
  for (const binding of targets.bindings) {
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
  const onForkEnd: ForkEnd = (fork, end) => {
    const key = keys[fork]
    const flowIsGone = typeof end === 'object' && end.status === 430
    if (flowIsGone && key !== undefined) core.inBackground(() => forgetBinding(core, served.setName, key))
  }
  const { response } =
    targets.forking === 'sequential'
      ? await oneByOne(exchange, forks, first, onForkEnd, core)
      : await core.forward(exchange, forks, 'scscf', { onForkEnd })
  if (response.status >= 300) exchange.respond(response)
}

type ForkEnd = NonNullable<ForwardOptions['onForkEnd']>

/** Lets one contact ring after the other until one answers, or one speaks for the callee everywhere (RFC 3841 §9.1). */
async function oneByOne(
  exchange: ServerExchange,
  forks: readonly Fork[],
  first: Fork,
  onForkEnd: ForkEnd,
  core: Core,
): Promise<Outcome> {
  const ring = (fork: Fork, place: number): Awaitable<Outcome> =>
    core.forward(exchange, [fork], 'scscf', { onForkEnd: (_, end) => onForkEnd(place, end) })
  let best = await ring(first, 0)
  for (let place = 1; place < forks.length; place++) {
    const { status } = best.response
    if (status < 300 || status >= 600 || exchange.cancelled !== undefined) break
    const next = await ring(forks[place] as Fork, place)
    best = next.response.status < 300 ? next : betterOf(best, next)
  }
  return best
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
