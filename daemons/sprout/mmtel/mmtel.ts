import type { ServedUser } from '../../../lib/ims/served-user.ts'
import type { ServiceDocuments } from '../../../lib/ims/service-documents.ts'
import { NO_SERVICES, parseSimservs, type BarringRule, type Simservs } from '../../../lib/ims/simservs.ts'
import { seconds } from '../../../lib/kit/clock.ts'
import { serveCallee, type Circumstance, type DiversionPlan } from '../as/diversion.ts'
import type { ApplicationServer, Invocation } from '../as/invocation.ts'
import { holds, type Situation } from './conditions.ts'
import { restoreFrom, withPrivacyApplied } from './privacy.ts'
import { withRestriction } from './restriction.ts'

const BARRED = 603
/** For who is barred because he does not say who he is (RFC 5079, TS 24.611 §4.5.2.6.1). */
const ANONYMITY_DISALLOWED = 433
/** For a caller whose privacy cannot be had. */
const NO_PRIVACY = 503

/**
 * The MMTel server (TS 24.604, 24.607, 24.611; sip.md §7.2 to §7.4): restriction of identities, barring, diversion, as
 * users have set them up in their documents. It serves the beginning of sessions only, and steps aside for all else.
 */
export function openMmtel(documents: ServiceDocuments): ApplicationServer {
  return async invocation => {
    const { user, request } = invocation
    if (user === undefined || !request.isInitial || request.method === 'ACK') return invocation.pass()
    const services = await servicesOf(user, documents, invocation)
    return user.side === 'term'
      ? terminating(invocation, services)
      : originating(invocation, services ?? NO_SERVICES)
  }
}

/** Undefined if the user has none, or they cannot be had: the call goes on without. */
async function servicesOf(
  { impu }: ServedUser,
  documents: ServiceDocuments,
  { core }: Invocation,
): Promise<Simservs | undefined> {
  const document = await documents.get(impu)
  if (document === undefined) return undefined
  const services = parseSimservs(document)
  if (services === undefined) core.log.warn('a service document cannot be read and does not count', { impu })
  return services
}

function originating(invocation: Invocation, services: Simservs): Promise<void> | void {
  const { request } = invocation
  const refusal = refusalOf(services.outgoingBarring, situationOf(invocation, 'out'))
  if (refusal !== undefined) return invocation.answer(refusal)
  const { restriction } = services
  return invocation.pass(restriction === undefined ? request : withRestriction(request, restriction))
}

function terminating(invocation: Invocation, services: Simservs | undefined): Promise<void> | void {
  const { request } = invocation
  const outgoing = withPrivacyApplied(request)
  if (outgoing === undefined) {
    // A 5xx alone would be a server that is not well, which calls go on without (TS 24.229 §5.4.3.3).
    invocation.answer(183)
    invocation.answer(NO_PRIVACY)
    return
  }
  if (services === undefined && outgoing === request) return invocation.pass()
  const { incomingBarring } = services ?? NO_SERVICES
  return serveCallee(invocation, outgoing, {
    plan: planOf(services, invocation),
    refusal: () => refusalOf(incomingBarring, situationOf(invocation, 'in')),
    ...(outgoing === request ? {} : { onResponse: restoreFrom(request) }),
  })
}

/** Of the rules that hold one must allow it (TS 24.611 §4.9.1.2); else this is the answer. */
function refusalOf(rules: readonly BarringRule[], situation: Situation): number | undefined {
  const holding = rules.filter(rule => holds(rule, situation))
  if (holding.length === 0 || holding.some(({ allow }) => allow)) return undefined
  const isForAnonymity = holding.every(({ conditions }) =>
    conditions.some(({ kind }) => kind === 'anonymous'),
  )
  return isForAnonymity ? ANONYMITY_DISALLOWED : BARRED
}

/** The first rule that holds counts. What a call has met must be among its conditions, or it would hold at once. */
function planOf(services: Simservs | undefined, invocation: Invocation): DiversionPlan {
  const { diversion } = services ?? NO_SERVICES
  const rules = diversion?.rules ?? []
  return {
    target: circumstance => {
      const situation = situationOf(invocation, 'in', circumstance)
      const rule = rules.find(
        each =>
          (circumstance === 'always' || each.conditions.some(({ kind }) => kind === circumstance)) &&
          holds(each, situation),
      )
      return rule?.target
    },
    noReply: seconds(diversion?.noReplySeconds ?? 0),
    deflects: services !== undefined,
  }
}

function situationOf(
  { request, core }: Invocation,
  direction: Situation['direction'],
  circumstance: Circumstance = 'always',
): Situation {
  return { request, direction, circumstance, homeCountryCode: core.options.homeCountryCode }
}
