import { H } from '../../lib/sip/header-names.ts'
import type { HeaderEdit } from '../../lib/sip/headers.ts'
import type { SipRequest } from '../../lib/sip/message.ts'

/**
 * Says in the INVITE that begins a client's call that its network understands who may send early media
 * (RFC 5009 §8, TS 24.229 §5.2.7.2). What the other side says to that reaches the client, and is the client's to keep to.
 */
export function supportEarlyMedia(edit: HeaderEdit, request: SipRequest): void {
  if (request.method !== 'INVITE' || !request.isInitial) return
  const given = request.headers.list(H['P-Early-Media'])
  if (given.includes('supported')) return
  edit.set(H['P-Early-Media'], [...given, 'supported'].join(', '))
}
