import { impuOf, type Impu } from '../../lib/ims/identity.ts'
import { childrenNamed, parseXml } from '../../lib/ims/xml.ts'
import { H } from '../../lib/sip/header-names.ts'
import type { SipRequest } from '../../lib/sip/message.ts'
import { parseUri } from '../../lib/sip/uri.ts'
import { parseEvent } from '../../lib/sip/values.ts'

/**
 * Whether it is the word of an S-CSCF that it has ended registrations (TS 24.229 §5.2.3). What any edge has let in has
 * its Record-Route, so that nobody outside can send one.
 */
export function isOfRegistrar({ method, headers }: SipRequest): boolean {
  return (
    method === 'NOTIFY' &&
    headers.parsed(H.Event, parseEvent)?.package === 'reg' &&
    !headers.has(H['Record-Route']) &&
    !headers.has(H.Route)
  )
}

/** The identities that are no longer registered, by a reginfo document; undefined if it is none. */
export function endedIdentities(document: string): readonly Impu[] | undefined {
  const parsed = parseXml(document)
  if (!parsed.ok || parsed.root.localName !== 'reginfo') return undefined
  return childrenNamed(parsed.root, 'registration').flatMap(registration => {
    if (registration.getAttribute('state') !== 'terminated') return []
    const uri = parseUri(registration.getAttribute('aor') ?? '')
    return (uri && impuOf(uri)) ?? []
  })
}
