import { detached } from '../../lib/kit/text.ts'
import { H } from '../../lib/sip/header-names.ts'
import type { SipRequest, SipResponse } from '../../lib/sip/message.ts'
import { parseDeltaSeconds } from '../../lib/sip/values.ts'

/** A call without a session timer whose BYE never comes is forgotten after a day. */
const LONGEST_S = 86_400
/** More than a client has at once; of so many the older half is forgotten. */
const MOST = 10_000
/** With so many it is looked which are over. */
const MANY = 64

/** Whether a response begins, prolongs or ends a call. */
export function concernsCall({ method }: SipRequest, { status }: SipResponse): boolean {
  return status >= 200 && (method === 'INVITE' || method === 'BYE' || method === 'UPDATE')
}

/** Calls over a flow, each from its 2xx to its BYE, or until its session timer has run out. */
export class Calls {
  /** When each is over at the latest (Unix ms). */
  readonly #until = new Map<string, number>()
  #lookAt = MANY

  /** Notes what a final response to an INVITE, UPDATE or BYE makes of a call. */
  note(request: SipRequest, response: SipResponse, now: number): void {
    const { status, toTag } = response
    if (toTag === undefined) return
    if (request.method === 'BYE') {
      // The credentials of one that is challenged are still to come.
      if (status !== 401 && status !== 407) this.#until.delete(nameOf(request, toTag))
      return
    }
    if (status >= 300) return
    const name = nameOf(request, toTag)
    if (!this.#until.has(name)) {
      // An UPDATE or INVITE within a call that is not known: it has ended meanwhile.
      if (!request.isInitial || request.method !== 'INVITE') return
      this.#makeRoom(now)
    }
    this.#until.set(detached(name), now + 1000 * secondsLeft(response))
  }

  /** Whether a call is going on. */
  areOpen(now: number): boolean {
    for (const [name, until] of this.#until) {
      if (until > now) return true
      this.#until.delete(name)
    }
    return false
  }

  #makeRoom(now: number): void {
    if (this.#until.size < this.#lookAt) return
    for (const [name, until] of this.#until) if (until <= now) this.#until.delete(name)
    const surplus = this.#until.size < MOST ? 0 : MOST / 2
    for (const oldest of [...this.#until.keys()].slice(0, surplus)) this.#until.delete(oldest)
    this.#lookAt = Math.max(MANY, Math.min(MOST, 2 * this.#until.size))
  }
}

/** The same for both directions: either side may send the BYE. */
function nameOf(request: SipRequest, toTag: string): string {
  const fromTag = request.fromTag ?? ''
  const [one, other] = fromTag < toTag ? [fromTag, toTag] : [toTag, fromTag]
  return `${request.callId} ${one} ${other}`
}

function secondsLeft(response: SipResponse): number {
  const expires = response.headers.get(H['Session-Expires'])?.split(';')[0]
  return (expires === undefined ? undefined : parseDeltaSeconds(expires.trim())) ?? LONGEST_S
}
