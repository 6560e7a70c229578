import { impuOf } from '../../lib/ims/identity.ts'
import { H } from '../../lib/sip/header-names.ts'
import type { HeaderEdit } from '../../lib/sip/headers.ts'
import type { SipRequest } from '../../lib/sip/message.ts'
import { parseNameAddr } from '../../lib/sip/name-addr.ts'
import { parseUri } from '../../lib/sip/uri.ts'
import type { FlowIdentity } from '../../lib/store/flow-store.ts'
import type { ClientFlow } from './flows.ts'

/**
 * Who sends a client's request: the identity it prefers, or that of its From, or the flow's default, and only one
 * that has registered over this flow (TS 24.229 §5.2.6.3). It may prefer two, a name and a number (RFC 3325 §9.2).
 *
 * @returns the one that is served first; none if the request may not be sent
 */
export function identitiesOf(request: SipRequest, client: ClientFlow, now: number): readonly FlowIdentity[] {
  const preferred = request.headers.list(H['P-Preferred-Identity'])
  if (preferred.length === 0) {
    const usual = client.identity(impuOfText(request.from?.uri), now) ?? client.defaultIdentity(now)
    return usual === undefined ? [] : [usual]
  }
  const known = preferred
    .map(text => client.identity(impuOfText(parseNameAddr(text)?.uri), now))
    .filter(identity => identity !== undefined)
  if (known.length !== preferred.length || known.length > 2) return []
  const numbers = known.filter(({ impu }) => impu.startsWith('tel:')).length
  return known.length === 1 || numbers === 1 ? known : []
}

/** Another network says who its own users are, not who those of our domains are. */
export function withoutIdentitiesAt(
  homeDomains: readonly string[],
  edit: HeaderEdit,
  request: SipRequest,
): void {
  const asserted = request.headers.list(H['P-Asserted-Identity'])
  const theirs = asserted.filter(text => {
    const uri = parseUri(parseNameAddr(text)?.uri ?? '')
    return uri !== undefined && !(uri.kind === 'sip' && homeDomains.includes(uri.host.toLowerCase()))
  })
  if (theirs.length === asserted.length) return
  edit.remove(H['P-Asserted-Identity'])
  for (const identity of theirs) edit.append(H['P-Asserted-Identity'], identity)
}

function impuOfText(text: string | undefined): ReturnType<typeof impuOf> {
  const uri = text === undefined ? undefined : parseUri(text)
  return uri === undefined ? undefined : impuOf(uri)
}
