import { impuOf, isHomeDomain } from '../../../lib/ims/identity.ts'
import { servedIdentity } from '../../../lib/ims/registered-set.ts'
import type { ImsSubscription } from '../../../lib/ims/subscription.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { parseNameAddr } from '../../../lib/sip/name-addr.ts'
import { sipUriOf } from '../../../lib/sip/routing.ts'
import { parseUri, sameHost, type SipUri, type Uri } from '../../../lib/sip/uri.ts'
import type { RegistrationRecord } from '../../../lib/store/registration-store.ts'
import type { Core } from '../core.ts'

/**
 * Whether the sender of a SUBSCRIBE may know of this user's registration: the user, the P-CSCFs it is registered
 * through, and the application servers that its filter criteria name (TS 24.229 §5.4.2.1.1).
 */
export function mayWatch(
  request: SipRequest,
  subscription: ImsSubscription,
  record: RegistrationRecord | undefined,
  core: Core,
): boolean {
  const watchers = watchersOf(request, core)
  const elements = [...edgesOf(record), ...serversOf(subscription, core)]
  return watchers.some(watcher => {
    const impu = impuOf(watcher)
    if (impu !== undefined && servedIdentity(subscription, impu) !== undefined) return true
    return watcher.kind === 'sip' && elements.some(element => isSameElement(watcher, element, core))
  })
}

/**
 * Who sends it, as the network asserts. From alone is believed of one that has sent it here itself: only elements of the
 * core can, and what a client or a trunk says has come by an edge.
 */
function watchersOf(request: SipRequest, core: Core): readonly Uri[] {
  const asserted = request.headers.list(H['P-Asserted-Identity'])
  if (asserted.length > 0) {
    return asserted.flatMap(value => parseUri(parseNameAddr(value)?.uri ?? '') ?? [])
  }
  const from = hasComeDirectly(request, core) ? parseUri(request.from?.uri ?? '') : undefined
  return from === undefined ? [] : [from]
}

/** Nobody has handed it on but this core's I-CSCF. */
function hasComeDirectly(request: SipRequest, core: Core): boolean {
  for (let hop = request.inside; hop !== undefined; hop = hop.before) {
    if (hop.as !== core.nameOf('icscf')) return false
  }
  return request.headers.list(H.Via).length === 1
}

function edgesOf(record: RegistrationRecord | undefined): readonly SipUri[] {
  return (record?.bindings ?? []).flatMap(binding => binding.paths.flatMap(path => sipUriOf(path) ?? []))
}

function serversOf(subscription: ImsSubscription, core: Core): readonly SipUri[] {
  return subscription.profiles
    .flatMap(profile => core.criteria.of(profile))
    .flatMap(({ server }) => {
      const uri = parseUri(server.name)
      return uri?.kind === 'sip' ? [uri] : []
    })
}

/** A host of a home domain is that of every user, so there the whole address has to be the same. */
function isSameElement(watcher: SipUri, element: SipUri, core: Core): boolean {
  if (isHomeDomain(element.host, core.uriContext)) return impuOf(watcher) === impuOf(element)
  return sameHost(watcher.host, element.host)
}
