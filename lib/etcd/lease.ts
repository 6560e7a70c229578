import { seconds, type Clock, type Timer } from '../kit/clock.ts'
import { numberIn, objectIn, type JsonObject } from './json.ts'

export interface LeaseParts {
  readonly clock: Clock
  /** Asks for another period; throws if nobody can be asked now. */
  readonly renew: (deadlineSeconds: number) => Promise<JsonObject>
  readonly revoke: () => Promise<void>
}

/**
 * A lease that is kept alive until it is revoked: keys put with its id live as long as its holder.
 *
 * `lost` aborts as soon as the lease may have ended without the holder's will (etcd said so, or could not be told in
 * time that the holder lives). From then on nothing that the lease guards is the holder's any more.
 */
export class Lease implements AsyncDisposable {
  readonly id: string
  readonly ttlSeconds: number
  readonly #parts: LeaseParts
  readonly #lost = new AbortController()
  #renewal: Timer | undefined
  #end: Timer
  #over = false

  constructor(id: string, ttlSeconds: number, parts: LeaseParts) {
    this.id = id
    this.ttlSeconds = ttlSeconds
    this.#parts = parts
    this.#end = this.#endTimer()
    this.#renewLater(ttlSeconds / 3)
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** Ends the lease, and with it the keys it holds; if etcd cannot be told, they end by themselves. */
  async revoke(): Promise<void> {
    if (this.#over) return
    this.#stop()
    await this.#parts.revoke()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.revoke().catch(() => undefined)
  }

  #renewLater(afterSeconds: number): void {
    this.#renewal = this.#parts.clock.after(seconds(afterSeconds), () => void this.#renew())
  }

  async #renew(): Promise<void> {
    // Counted from before the question: etcd counts from when it gets it.
    const end = this.#endTimer()
    try {
      const answer = await this.#parts.renew(this.ttlSeconds / 3)
      if (this.#over) {
        end.cancel()
        return
      }
      if (numberIn(objectIn(answer, 'result'), 'TTL') <= 0) {
        end.cancel()
        this.#lose('etcd no longer knows it')
        return
      }
      this.#end.cancel()
      this.#end = end
      this.#renewLater(this.ttlSeconds / 3)
    } catch {
      end.cancel()
      if (!this.#over) this.#renewLater(this.ttlSeconds / 10)
    }
  }

  #endTimer(): Timer {
    return this.#parts.clock.after(seconds(this.ttlSeconds), () => {
      this.#lose('etcd could not be told in time that its holder lives')
    })
  }

  #lose(why: string): void {
    if (this.#over) return
    this.#stop()
    this.#lost.abort(new Error(`the lease is lost: ${why}`))
  }

  #stop(): void {
    this.#over = true
    this.#renewal?.cancel()
    this.#end.cancel()
  }
}
