import type { SipResponse } from '../../../lib/sip/message.ts'
import type { Step } from './report.ts'
import type { Answer } from './user-agent.ts'

/** An exchange as the report has it. */
export function stepOf(sent: string, { final, provisional, ms }: Answer): Step {
  const [last] = provisional.slice(-1)
  if (final !== undefined) return { sent, answer: statusLineOf(final), ms }
  return last === undefined ? { sent, ms } : { sent: `${sent} (${last} came)`, ms }
}

/** `503 Service Unavailable`. Of a reason phrase, which is the far end's, only plain characters are repeated. */
export function statusLineOf({ status, reason }: SipResponse): string {
  return `${status} ${reason.replaceAll(/[^ -~]/g, '?').slice(0, 80)}`.trim()
}
