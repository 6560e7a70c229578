import type { Awaitable } from '../../../lib/kit/awaitable.ts'
import type { Answer, ServerChoice } from '../../../lib/ims/homestead.ts'
import { formatUri, parseUri, type SipUri } from '../../../lib/sip/uri.ts'
import type { Core } from '../core.ts'
import { chooseScscf } from './server-choice.ts'

/** Why there is no S-CSCF to send to, as the status that says so (sip.md §4.3). */
type NoServer = 480 | 482 | 600

/** Asks what an S-CSCF has to be able to do. */
type AskCapabilities = () => Awaitable<Answer<ServerChoice>>

/** The S-CSCFs for one request: the one that the subscriber server names, then those that can do what it asks for. */
export class Candidates {
  readonly #core: Core
  readonly #tried: Set<string>
  /** What the subscriber server wants of an S-CSCF, as far as it has said so. */
  #wanted: ServerChoice | undefined

  constructor(core: Core) {
    this.#core = core
    this.#tried = new Set(core.options.blacklistedScscfUris)
  }

  /** The S-CSCF to try first: the one that is named, unless it must not be chosen. */
  first(choice: ServerChoice, ask: AskCapabilities): Awaitable<SipUri | NoServer | 403 | 504> {
    const { scscf, mandatoryCapabilities } = choice
    if (mandatoryCapabilities !== undefined) this.#wanted = choice
    else if (scscf !== undefined && this.#tried.has(scscf)) return this.another(ask)
    return this.#next(choice)
  }

  /**
   * The S-CSCF to try after one that does not serve. Where the subscriber server had named that, it is asked what another
   * one must be able to do (TS 29.228 §6.1.1).
   *
   * @returns 504 if none is left or nobody says which, 403 if the subscriber server forbids it
   */
  async another(ask: AskCapabilities): Promise<SipUri | 403 | 504> {
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
