import { HttpClient } from '../../../lib/http/client.ts'
import type { Impu } from '../../../lib/ims/identity.ts'
import { seconds } from '../../../lib/kit/clock.ts'
import type { Log } from '../../../lib/kit/log.ts'

const TIMEOUT = seconds(5)
const CONNECTIONS = 20
/** More than are under way are not sent: nobody listens any more. */
const MOST_UNDER_WAY = 500

export type NotifierCounts = Record<'sent' | 'failed', number>

/** Tells an HTTP server of each change of a call list (`memento_notify_url`). What it answers does not matter. */
export class Notifier {
  readonly #client: HttpClient
  readonly #path: string
  readonly #log: Log
  readonly counts: NotifierCounts = { sent: 0, failed: 0 }
  #underWay = 0

  constructor(url: string, log: Log) {
    const { origin, pathname, search } = new URL(url)
    this.#client = new HttpClient({
      origin,
      timeout: TIMEOUT,
      connectTimeout: TIMEOUT,
      connections: CONNECTIONS,
    })
    this.#path = pathname + search
    this.#log = log
  }

  /** Returns at once. */
  notify(impu: Impu): void {
    if (this.#underWay >= MOST_UNDER_WAY) {
      this.counts.failed++
      return
    }
    this.#underWay++
    void this.#post(impu)
  }

  async close(): Promise<void> {
    await this.#client.close()
  }

  async #post(impu: Impu): Promise<void> {
    const body = JSON.stringify({ impu })
    const result = await this.#client.request({ method: 'POST', path: this.#path, body })
    this.#underWay--
    if (result.kind === 'answer' && result.status < 300) {
      this.counts.sent++
      return
    }
    this.counts.failed++
    this.#log.info('a change of a call list was not taken notice of', {
      impu,
      ...(result.kind === 'answer' ? { status: result.status } : { why: result.kind }),
    })
  }
}
