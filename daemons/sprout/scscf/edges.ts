import { formatReginfo } from '../../../lib/ims/reginfo.ts'
import { seconds } from '../../../lib/kit/clock.ts'
import { newTag, randomText } from '../../../lib/sip/branch.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { Headers } from '../../../lib/sip/headers.ts'
import { SipRequest } from '../../../lib/sip/message.ts'
import { nextHopOf, sipUriOf } from '../../../lib/sip/routing.ts'
import { formatUri } from '../../../lib/sip/uri.ts'
import type { Binding, RegistrationRecord } from '../../../lib/store/registration-store.ts'
import type { Core } from '../core.ts'
import { ask } from './ask.ts'
import type { Change } from './record.ts'

/** An edge that does not answer sooner keeps nobody else from hearing of it. */
const PATIENCE = seconds(1)

/**
 * Tells the edges of bindings that the network has ended that nobody may speak for their user over those flows any more.
 *
 * It is the NOTIFY that an edge gets which subscribes to the registrations of its clients (TS 24.229 §5.2.3), without a
 * subscription, which would cost every registration as much again. An edge that knows nothing of it refuses it, and lets
 * the registration run out.
 *
 * @returns when they have answered, or have had the time for it: a phone that is told next may register again at once
 */
export async function tellEdges(
  { before, after }: Change,
  gone: readonly Binding[],
  core: Core,
): Promise<void> {
  const stay = new Set(after.bindings.map(pathOf))
  const flows = new Map(gone.map(binding => [pathOf(binding), binding]))
  const asked = [...flows].flatMap(([path, binding]) => {
    const request = path === '' || stay.has(path) ? undefined : notice(binding, before, core)
    const hop = request === undefined ? undefined : nextHopOf(request)
    return request === undefined || hop === undefined ? [] : [ask(request, hop, core)]
  })
  if (asked.length === 0) return
  await Promise.race([Promise.all(asked), new Promise<void>(resolve => core.clock.after(PATIENCE, resolve))])
}

function pathOf({ paths }: Binding): string {
  return paths.join(',')
}

/** For the last hop of the Path: it holds the flow. */
function notice(binding: Binding, record: RegistrationRecord, core: Core): SipRequest | undefined {
  const edge = sipUriOf(binding.paths.at(-1) ?? '')
  if (edge === undefined) return undefined
  const id = randomText(10)
  const document = formatReginfo(
    {
      version: 0,
      state: 'partial',
      id,
      aors: record.associatedUris,
      wildcards: [],
      formerAors: [],
      contacts: [{ binding, event: 'deactivated' }],
      active: false,
      now: core.clock.now(),
    },
    core.gruus,
  )
  const edit = Headers.none.edit().append(H['Max-Forwards'], '70')
  for (const path of binding.paths.slice(0, -1)) edit.append(H.Route, path)
  const uri = formatUri(edge)
  edit
    .append(H.From, `<${core.scscfUri}>;tag=${newTag()}`)
    .append(H.To, `<${uri}>`)
    .append(H['Call-ID'], `${randomText(22)}@${core.options.localHost}`)
    .append(H.CSeq, '1 NOTIFY')
    .append(H.Contact, `<${core.scscfUri}>`)
    .append(H.Event, 'reg')
    .append(H['Subscription-State'], 'terminated;reason=deactivated')
    .append(H['Content-Type'], 'application/reginfo+xml')
  return new SipRequest('NOTIFY', uri, edit.done(), document)
}
