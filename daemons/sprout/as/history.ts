import { H } from '../../../lib/sip/header-names.ts'
import type { Headers } from '../../../lib/sip/headers.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { formatNameAddr, parseNameAddr } from '../../../lib/sip/name-addr.ts'
import { param } from '../../../lib/sip/params.ts'
import { reasonPhrase } from '../../../lib/sip/reasons.ts'
import { formatUri, parseUri, withUriParam } from '../../../lib/sip/uri.ts'

/** Why Diversion says that a call was diverted (RFC 5806), by the code it was diverted for (sip.md §7.4). */
const REASONS: Readonly<Record<number, string>> = {
  404: 'out-of-service',
  480: 'no-answer',
  486: 'user-busy',
}

/** How often a call has been diverted, by what its headers tell. The first target is in History-Info too. */
export function diversionsOf(headers: Headers): number {
  return Math.max(headers.list(H.Diversion).length, headers.list(H['History-Info']).length - 1)
}

/**
 * The request with another target, and with what tells of it: Diversion, and History-Info with the old target and the
 * new one (RFC 4244; the reason is a parameter of the URI, not a header in it, as sip.md §7.4 has it).
 *
 * @param status the code for which it is diverted
 */
export function withDiversion(request: SipRequest, target: string, status: number): SipRequest {
  const { headers, uri } = request
  const entries = headers.list(H['History-Info'])
  const last = entries.pop() ?? `<${uri}>;index=1`
  const index = param(parseNameAddr(last)?.params ?? '', 'index') ?? '1'
  const history = [...entries, withReason(last, status), `<${target}>;index=${index}.1`]
  const edit = headers.edit()
  edit.set(H['History-Info'], history.join(', '))
  edit.prepend(H.Diversion, `<${uri}>;reason=${REASONS[status] ?? 'unknown'}`)
  return request.with(edit.done(), target)
}

/** Why the call did not stay with an entry; one that has parameters is left as it is. */
function withReason(entry: string, status: number): string {
  const address = parseNameAddr(entry)
  const uri = address === undefined ? undefined : parseUri(address.uri)
  if (address === undefined || uri === undefined) return entry
  if ((uri.kind !== 'sip' && uri.kind !== 'tel') || uri.params !== '') return entry
  const reason = `SIP;cause=${status};text="${reasonPhrase(status)}"`
  return formatNameAddr({
    ...address,
    uri: formatUri(withUriParam(uri, 'Reason', encodeURIComponent(reason))),
  })
}
