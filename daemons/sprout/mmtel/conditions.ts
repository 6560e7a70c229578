import { impuOf } from '../../../lib/ims/identity.ts'
import type { Condition, Identities, Rule } from '../../../lib/ims/simservs.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { parseNameAddr } from '../../../lib/sip/name-addr.ts'
import { privacyOf } from '../../../lib/sip/privacy.ts'
import { normalizeEscapes, parseUri, type Uri } from '../../../lib/sip/uri.ts'
import type { Circumstance } from '../as/diversion.ts'
import { diversionsOf } from '../as/history.ts'

/** What the conditions of rules are held against. */
export interface Situation {
  /** As it came from the caller, before anything was hidden. */
  readonly request: SipRequest
  readonly direction: 'in' | 'out'
  /** What an incoming call has met. */
  readonly circumstance: Circumstance
  /** `home_country_code`: numbers of this country are not international. */
  readonly homeCountryCode: string
}

/** Whether all conditions of a rule hold. A rule without conditions always does. */
export function holds({ conditions }: Rule, situation: Situation): boolean {
  return conditions.every(condition => isMet(condition, situation))
}

function isMet(condition: Condition, situation: Situation): boolean {
  const { request, direction, circumstance } = situation
  switch (condition.kind) {
    case 'media':
      return offers(request, condition.media)
    case 'identity':
      return theOther(situation).some(uri => condition.identities.some(each => isAmong(uri, each)))
    case 'anonymous':
      return isAnonymous(request)
    case 'communication-diverted':
      return diversionsOf(request.headers) > 0
    case 'international':
      return direction === 'out' && isInternational(request.parsedUri, situation.homeCountryCode)
    case 'busy':
    case 'not-registered':
    case 'no-answer':
    case 'not-reachable':
      return condition.kind === circumstance
    // Nobody roams here, so nobody is abroad either; and a rule that is switched off holds never (TS 24.604 §4.9.1.3).
    case 'roaming':
    case 'international-exHC':
    case 'rule-deactivated':
      return false
  }
}

/** Whether the session description has a stream of this kind that is not switched off. */
function offers({ headers, body }: SipRequest, media: string): boolean {
  const type = headers.get(H['Content-Type'])?.toLowerCase() ?? ''
  if (!type.startsWith('application/sdp') && !type.startsWith('multipart/')) return false
  return body.split(/\r?\n/).some(line => {
    const [kind = '', port] = line.startsWith('m=') ? line.slice(2).split(' ') : []
    return kind.toLowerCase() === media && port !== '0'
  })
}

/** Who calls, by what the network says and by what he says himself; or who is called. */
function theOther({ request, direction }: Situation): readonly Uri[] {
  if (direction === 'out') return request.parsedUri === undefined ? [] : [request.parsedUri]
  const asserted = request.headers.list(H['P-Asserted-Identity']).map(value => parseNameAddr(value)?.uri)
  const said = asserted.length > 0 ? asserted : [request.from?.uri]
  return said.flatMap(text => (text === undefined ? [] : (parseUri(text) ?? [])))
}

function isAmong(uri: Uri, among: Identities): boolean {
  if ('one' in among) return isOne(uri, among.one)
  const isExcepted = among.except.some(each =>
    'one' in each ? isOne(uri, each.one) : domainOf(uri) === each.domain,
  )
  return !isExcepted && (among.domain === undefined || domainOf(uri) === among.domain)
}

function isOne(uri: Uri, id: string): boolean {
  const other = parseUri(id)
  const named = other === undefined ? undefined : impuOf(other)
  return named !== undefined && impuOf(uri) === named
}

function domainOf(uri: Uri): string | undefined {
  return uri.kind === 'sip' ? uri.host.toLowerCase() : undefined
}

function isAnonymous(request: SipRequest): boolean {
  const wanted = privacyOf(request.headers)
  if (wanted.has('id') || wanted.has('header') || wanted.has('user')) return true
  const from = parseUri(request.from?.uri ?? '')
  return from?.kind === 'sip' && from.host.toLowerCase() === 'anonymous.invalid'
}

const SEPARATORS = /[-().\s]/g

/** Whether a dialled number leads abroad (sip.md §7.2); a SIP URI counts by its user, `user=phone` or not. */
function isInternational(uri: Uri | undefined, homeCountryCode: string): boolean {
  const dialled = uri?.kind === 'tel' ? uri.number : uri?.kind === 'sip' ? (uri.user ?? '') : ''
  const number = normalizeEscapes(dialled).split(';', 1)[0]?.replace(SEPARATORS, '') ?? ''
  const abroad = /^(?:\+|011|00)(\d+)$/.exec(number)?.[1]
  return abroad !== undefined && !abroad.startsWith(homeCountryCode)
}
