import type { Impu } from '../../../lib/ims/identity.ts'
import { withoutSubscription, type Notice } from '../../../lib/ims/reg-event.ts'
import { emptyRecord } from '../../../lib/ims/registration.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { Headers } from '../../../lib/sip/headers.ts'
import { SipRequest } from '../../../lib/sip/message.ts'
import { nextHopOf } from '../../../lib/sip/routing.ts'
import type { Core } from '../core.ts'
import { ask } from './ask.ts'
import { update, type Change } from './record.ts'

/** Tells the watchers of a registration what has become of it (RFC 3680 §4.6). */
export function notifyWatchers(change: Change, setName: Impu, core: Core): void {
  for (const notice of change.notices) core.inBackground(() => notify(notice, setName, core))
}

/** A watcher that cannot be told any more is one no longer. */
async function notify(notice: Notice, setName: Impu, core: Core): Promise<void> {
  const request = notification(notice, core)
  const hop = nextHopOf(request)
  const status = hop === undefined ? 416 : await ask(request, hop, core)
  if (status < 300) return
  const { toTag } = notice.subscription
  core.log.info('a watcher of a registration could not be told', { impu: setName, status })
  if (!endsSubscription(status)) return
  await update(core, setName, record => withoutSubscription(record ?? emptyRecord([], core.scscfUri), toTag))
}

function notification({ subscription, cseq, state, document }: Notice, core: Core): SipRequest {
  const { requestUri, fromUri, fromTag, toUri, toTag, callId, routes, event = 'reg' } = subscription
  const edit = Headers.none.edit().append(H['Max-Forwards'], '70')
  for (const route of routes) edit.append(H.Route, route)
  edit
    .append(H.From, `<${toUri}>;tag=${toTag}`)
    .append(H.To, fromTag === '' ? `<${fromUri}>` : `<${fromUri}>;tag=${fromTag}`)
    .append(H['Call-ID'], callId)
    .append(H.CSeq, `${cseq} NOTIFY`)
    .append(H.Contact, `<${core.scscfUri}>`)
    .append(H.Event, event)
    .append(H['Subscription-State'], state)
    .append(H['Content-Type'], 'application/reginfo+xml')
  return new SipRequest('NOTIFY', requestUri, edit.done(), document)
}

/** No subscription there, nobody there, or no answer (RFC 6665 §4.2.2, RFC 5057 §5.1); 430 is a flow that is gone. */
const ENDING = new Set([404, 405, 408, 410, 416, 430, 480, 481, 482, 483, 484, 485, 489, 501, 604])

function endsSubscription(status: number): boolean {
  return ENDING.has(status)
}
