import type { Awaitable } from '../../../lib/kit/awaitable.ts'
import type { Answer, ServerChoice } from '../../../lib/ims/homestead.ts'
import { formatUri, parseUri, type SipUri } from '../../../lib/sip/uri.ts'
import type { Core } from '../core.ts'
import { chooseScscf } from './server-choice.ts'

/** Why there is no S-CSCF to send to, as the status that says so (sip.md §4.3). */
type NoServer = 480 | 482 | 600

/** The S-CSCFs for one request: the one that the subscriber server names, then those that can do what it asks for. */
export class Candidates {
  readonly #core: Core
  readonly #tried = new Set<string>()
  /** What the subscriber server wants of an S-CSCF, as far as it has said so. */
  #wanted: ServerChoice | undefined

  constructor(core: Core) {
    this.#core = core
  }

  /** The S-CSCF to try first. */
  first(choice: ServerChoice): SipUri | NoServer {
    if (choice.mandatoryCapabilities !== undefined) this.#wanted = choice
    return this.#next(choice)
  }

  /**
   * The S-CSCF to try after one that does not serve. Where the subscriber server had named that, it is asked what another
   * one must be able to do (TS 29.228 §6.1.1).
   *
   * @returns 504 if none is left or nobody says which, 403 if the subscriber server forbids it
   */
  async another(ask: () => Awaitable<Answer<ServerChoice>>): Promise<SipUri | 403 | 504> {
    if (this.#wanted === undefined) {
      const answer = await ask()
      if (!answer.ok) return answer.status === 403 || answer.status === 404 ? 403 : 504
      this.#wanted = answer.value
    }
    const next = this.#next(this.#wanted)
    return typeof next === 'number' ? 504 : next
  }

  #next(choice: ServerChoice): SipUri | NoServer {
    const named = choice.scscf
    const chosen =
      named !== undefined && !this.#tried.has(named) ? named : chooseScscf(this.#entries, choice, this.#tried)
    if (chosen === undefined) return 600
    this.#tried.add(chosen)
    const uri = parseUri(chosen)
    if (uri?.kind !== 'sip') return 480
    this.#tried.add(formatUri(uri))
    // It would come back here.
    return this.#core.isLocal(uri) && uri.port === this.#core.options.ports.icscf ? 482 : uri
  }

  /** Without `s-cscf.json` there is our own, which has no special capability. */
  get #entries(): Parameters<typeof chooseScscf>[0] {
    const { scscfs } = this.#core.options
    if (scscfs.length > 0) return scscfs
    return [{ server: this.#core.scscfUri, priority: 0, weight: 100, capabilities: [] }]
  }
}
