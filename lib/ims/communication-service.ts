import { H } from '../sip/header-names.ts'
import type { HeaderEdit } from '../sip/headers.ts'
import type { SipRequest } from '../sip/message.ts'
import type { ServiceProfile } from './subscription.ts'

/** Multimedia telephony, the one service that shows in what a request asks for (TS 24.173 §5.1). */
export const MMTEL = 'urn:urn-7:3gpp-service.ims.icsi.mmtel'

const TELEPHONY_MEDIA = /^m=(?:audio|video|text|image|message)[ \t]/m

/**
 * Says which communication service a user's request is of (RFC 6050, TS 24.229 §5.4.3.2): the one that the phone prefers,
 * if the user may have it and the request is of its kind, or else one that the request shows. What the phone prefers is
 * taken out, and nothing is asserted where neither says anything.
 *
 * A profile that lists no services limits none, and nothing is concluded from its users' requests.
 */
export function assertService(edit: HeaderEdit, request: SipRequest, profile: ServiceProfile): void {
  const { services } = profile
  const preferred = request.headers.list(H['P-Preferred-Service'])
  if (preferred.length === 0 && services === undefined) return
  const allowed = (id: string): boolean =>
    services === undefined || services.some(service => isSame(service, id))
  if (preferred.length > 0) edit.remove(H['P-Preferred-Service'])
  // An application server may have said it, and nobody else inside.
  if (request.headers.has(H['P-Asserted-Service'])) return
  const service =
    preferred.find(id => isServiceId(id) && allowed(id) && mayBeOf(id, request)) ??
    (services !== undefined && allowed(MMTEL) && isTelephony(request) ? MMTEL : undefined)
  if (service !== undefined) edit.set(H['P-Asserted-Service'], service)
}

function isServiceId(text: string): boolean {
  return /^urn:urn-7:[\w.-]{1,200}$/i.test(text)
}

function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase()
}

/** Of other services than telephony no request tells whether it is of them. */
function mayBeOf(service: string, request: SipRequest): boolean {
  return !isSame(service, MMTEL) || request.body === '' || isTelephony(request)
}

function isTelephony({ method, body }: SipRequest): boolean {
  return method === 'INVITE' && TELEPHONY_MEDIA.test(body)
}
