import { H, headerIdAt, nameOf } from '../../sip/header-names.ts'
import type { SipRequest } from '../../sip/message.ts'
import type {
  Condition,
  FilterCriterion,
  RegistrationType,
  SessionCase,
  Trigger,
  TriggerPoint,
} from './criterion.ts'
import type { Effort, Pattern } from './pattern.ts'

/** What a criterion is held against. */
export interface Situation {
  readonly request: SipRequest
  readonly sessionCase: SessionCase
  readonly registered: boolean
  /** Of a REGISTER. */
  readonly registrationType?: RegistrationType
  /** One for all criteria of a request. */
  readonly effort: Effort
}

/** Whether the request is one that goes to the criterion's server (TS 23.218 §5.2, TS 29.228 Annex F). */
export function matches(criterion: FilterCriterion, situation: Situation): boolean {
  const { profilePart, trigger } = criterion
  if (profilePart !== undefined && (profilePart === 'registered') !== situation.registered) return false
  return trigger === undefined || isTriggered(trigger, situation)
}

/** Without groups nothing is asked: an AND of nothing holds, an OR of nothing does not. */
function isTriggered({ form, groups }: Trigger, situation: Situation): boolean {
  const holds = (condition: Condition): boolean => isTrue(condition.point, situation) !== condition.negated
  return form === 'cnf' ? groups.every(group => group.some(holds)) : groups.some(group => group.every(holds))
}

function isTrue(point: TriggerPoint, situation: Situation): boolean {
  switch (point.kind) {
    case 'method':
      return isMethod(point, situation)
    case 'header':
      return hasHeader(situation, point.name, point.content)
    case 'session-case':
      return point.sessionCase === situation.sessionCase
    case 'request-uri':
      return point.pattern.found(addressOf(situation.request), situation.effort)
    case 'sdp':
      return hasSdpLine(situation, point.line, point.content)
    case 'unknown':
      return false
  }
}

function isMethod(point: TriggerPoint & { kind: 'method' }, situation: Situation): boolean {
  if (point.method !== situation.request.method) return false
  const { registrationTypes } = point
  if (point.method !== 'REGISTER' || registrationTypes.length === 0) return true
  return situation.registrationType !== undefined && registrationTypes.includes(situation.registrationType)
}

/** One line must satisfy both. Its name is the full one, however it was written. */
function hasHeader({ request, effort }: Situation, name: Pattern, content: Pattern | undefined): boolean {
  for (const [written, value] of request.headers.entries()) {
    const id = headerIdAt(written, 0, written.length)
    if (
      name.found(id === H.Other ? written : nameOf(id), effort) &&
      (content === undefined || content.found(value, effort))
    )
      return true
  }
  return false
}

/** The part of the Request-URI that criteria look at: never the user. */
function addressOf(request: SipRequest): string {
  const uri = request.parsedUri
  switch (uri?.kind) {
    case 'sip':
      return uri.port === undefined ? uri.host : `${uri.host}:${uri.port}`
    case 'tel':
      return uri.number
    default:
      return request.uri.slice(request.uri.indexOf(':') + 1)
  }
}

const SDP = /^application\/sdp\s*(?:;|$)/i

function hasSdpLine({ request, effort }: Situation, line: Pattern, content: Pattern | undefined): boolean {
  const type = request.headers.get(H['Content-Type'])
  if (request.body === '' || type === undefined || !SDP.test(type)) return false
  for (const written of request.body.split(/\r?\n/)) {
    if (written.charAt(1) !== '=') continue
    if (
      line.found(written.charAt(0), effort) &&
      (content === undefined || content.found(written.slice(2), effort))
    )
      return true
  }
  return false
}
