import { H } from './header-names.ts'
import { responseTo, type SipRequest, type SipResponse } from './message.ts'
import { reasonPhrase } from './reasons.ts'

/**
 * The early dialogs of a forked INVITE whose caller wants to hear of each one's end before the final response
 * (RFC 6228 §5): as soon as a fork has failed, one 199 for each of the dialogs that it had begun.
 */
export class EarlyDialogs {
  readonly #invite: SipRequest
  /** To tags by fork. */
  readonly #open = new Map<number, Set<string>>()

  private constructor(invite: SipRequest) {
    this.#invite = invite
  }

  /**
   * Undefined where nobody asks, where one fork's end is the end of all, or where the caller takes no provisional
   * response but a reliable one, which a proxy cannot make.
   */
  static of(request: SipRequest, forks: number): EarlyDialogs | undefined {
    if (forks < 2 || request.method !== 'INVITE') return undefined
    if (!request.headers.list(H.Supported).includes('199')) return undefined
    return request.headers.list(H.Require).includes('100rel') ? undefined : new EarlyDialogs(request)
  }

  /** A provisional response of a fork: it begins a dialog, or tells that one has ended. */
  note(fork: number, response: SipResponse): void {
    const tag = response.toTag
    if (tag === undefined) return
    const open = this.#open.get(fork)
    if (response.status === 199) open?.delete(tag)
    else if (open === undefined) this.#open.set(fork, new Set([tag]))
    else open.add(tag)
  }

  /** What tells the caller that a fork has failed, with the reason. */
  ended(fork: number, status: number): readonly SipResponse[] {
    const tags = this.#open.get(fork) ?? []
    this.#open.delete(fork)
    const reason = `SIP;cause=${status};text="${reasonPhrase(status)}"`
    return [...tags].map(toTag =>
      responseTo(this.#invite, 199, { toTag, edit: headers => void headers.append(H.Reason, reason) }),
    )
  }
}
