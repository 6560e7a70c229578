import { H } from '../../../lib/sip/header-names.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { param } from '../../../lib/sip/params.ts'
import { unquote } from '../../../lib/sip/scan.ts'
import { formatUri, uriParam, type SipUri } from '../../../lib/sip/uri.ts'
import type { Invocation } from '../as/invocation.ts'
import { SecondChoice } from './second-choice.ts'

/** The feature tag of devices that the circuit-switched network serves (TS 24.292 §B), and both its values. */
const NATIVE = '*;+g.3gpp.ics="server,principal"'
/** The feature tag of a mobile phone's own VoIP client. */
const TWIN = '*;+sip.with-twin'
/** What a twin prefix may be made of: it becomes a part of a number. */
const PREFIX = /^[0-9*+]{1,32}$/

/**
 * The Gemini server (sip.md §7.5): a user's VoIP clients and the phone that the circuit-switched network serves ring
 * together. The phone is called by its number with the prefix that the filter criterion gives, `twin-prefix`.
 */
export function gemini(invocation: Invocation): Promise<void> | void {
  const { request, user } = invocation
  const isTwinned = request.method === 'INVITE' || request.method === 'SUBSCRIBE'
  if (!isTwinned || !request.isInitial || (user !== undefined && user.side !== 'term'))
    return invocation.pass()
  const target = request.parsedUri
  if (target?.kind !== 'sip') return invocation.answer(480)
  const prefix = invocation.uri === undefined ? undefined : uriParam(invocation.uri, 'twin-prefix')
  if (prefix === undefined || !PREFIX.test(prefix) || target.user === undefined) {
    invocation.core.log.warn(
      'a call is not twinned: its filter criterion gives no twin-prefix that can be used',
      {
        callId: request.callId,
      },
    )
    return invocation.pass()
  }
  if (uriParam(target, 'gr') !== undefined) return invocation.pass()
  const native = toNative(request, target, prefix)
  return wantsNative(request) ? invocation.pass(native) : twin(invocation, native)
}

async function twin(invocation: Invocation, native: SipRequest): Promise<void> {
  const { request, core } = invocation
  const forks = [toClients(request), native]
  // The phone is not there, so its own client may do instead of it. A subscription has nothing to win by that.
  const sender =
    request.method === 'INVITE'
      ? new SecondChoice(core.node, { instead: native, of: 480, next: toTwin(request) })
      : core.node
  const { response } = await invocation.forward(forks, { sender })
  if (response.status >= 300) invocation.exchange.respond(response)
}

/** To the user's VoIP clients, but for the one on the mobile phone, which the phone itself stands for. */
function toClients(request: SipRequest): SipRequest {
  const edit = request.headers.edit().append(H['Reject-Contact'], TWIN).append(H['Reject-Contact'], NATIVE)
  return request.with(edit.done())
}

/** To the phone in the circuit-switched network. */
function toNative(request: SipRequest, target: SipUri, prefix: string): SipRequest {
  const edit = request.headers.edit()
  edit.append(H['Accept-Contact'], `${NATIVE};require;explicit`).append(H['Reject-Contact'], TWIN)
  return request.with(edit.done(), formatUri({ ...target, user: prefix + (target.user ?? '') }))
}

/** To the VoIP client on the phone. */
function toTwin(request: SipRequest): SipRequest {
  return request.with(request.headers.edit().append(H['Accept-Contact'], `${TWIN};require;explicit`).done())
}

/** Whether the caller asks for the phone in the circuit-switched network and no other. */
function wantsNative({ headers }: SipRequest): boolean {
  return headers.list(H['Accept-Contact']).some(value => {
    const tags = param(value, '+g.3gpp.ics') ?? param(value, 'g.3gpp.ics')
    if (tags === undefined) return false
    const text = tags.startsWith('"') ? unquote(tags) : tags
    return text.split(',').some(tag => ['server', 'principal'].includes(tag.trim().toLowerCase()))
  })
}
