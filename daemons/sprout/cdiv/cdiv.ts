import { seconds } from '../../../lib/kit/clock.ts'
import { uriParam, type SipUri } from '../../../lib/sip/uri.ts'
import { serveCallee, type Circumstance, type DiversionPlan } from '../as/diversion.ts'
import type { Invocation } from '../as/invocation.ts'

const CONDITIONS: readonly Circumstance[] = ['busy', 'not-registered', 'no-answer', 'not-reachable']
const NO_REPLY_S = 20
const LONGEST_NO_REPLY_S = 180

/**
 * The call diversion server: what it does stands in the URI by which a filter criterion names it (sip.md §7.4),
 * `sip:cdiv.<sprout_hostname>;target=sip%3Acarol%40example.com;conditions=busy+no-answer;no-reply-timer=30`.
 */
export function cdiv(invocation: Invocation): Promise<void> | void {
  const { user, request, uri } = invocation
  const plan = uri === undefined ? undefined : planOf(uri)
  const isForCallee = user === undefined || user.side === 'term'
  if (plan === undefined || !isForCallee || !request.isInitial || request.method === 'ACK')
    return invocation.pass()
  return serveCallee(invocation, request, { plan })
}

/** Undefined without a target. Without conditions all calls are diverted; words that are none do not count. */
function planOf(uri: SipUri): DiversionPlan | undefined {
  const target = unescaped(uriParam(uri, 'target') ?? '')
  if (target === '') return undefined
  const words = (uriParam(uri, 'conditions') ?? '').split('+').filter(word => word !== '')
  const on = words.length === 0 ? (['always'] as const) : CONDITIONS.filter(each => words.includes(each))
  const given = Number(uriParam(uri, 'no-reply-timer') ?? NO_REPLY_S)
  const noReply = given > 0 && given <= LONGEST_NO_REPLY_S ? given : NO_REPLY_S
  return {
    target: circumstance => ((on as readonly Circumstance[]).includes(circumstance) ? target : undefined),
    noReply: seconds(noReply),
    deflects: false,
  }
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
