import type { Flow } from './transport/flow.ts'

/** @param waitedMs how long the message has lain here */
export type MessageHandler = (text: string, flow: Flow, waitedMs: number) => void

interface Waiting {
  readonly text: string
  readonly flow: Flow
  readonly since: number
}

/** So many messages of one turn of the event loop are handled as they come. */
const AT_ONCE = 16
/** Then those that wait are handled for so long before sockets are read again. */
const SLICE_MS = 2
/** At some 1 kB each. */
const MOST_WAITING = 10_000

/**
 * Where messages wait when they come faster than they are handled: here instead of in the kernel, which would drop
 * datagrams, and where nobody sees for how long. Order is kept.
 *
 * When it is full the oldest is handled at once, so that sockets are read no faster than that.
 */
export class Inbox {
  readonly #handle: MessageHandler
  readonly #onError: (error: unknown) => void
  #queue: (Waiting | undefined)[] = []
  #head = 0
  #handled = 0
  #asked = false

  /** @param onError what to do with an exception of a message that had waited */
  constructor(handle: MessageHandler, onError: (error: unknown) => void) {
    this.#handle = handle
    this.#onError = onError
  }

  /** Messages that wait. */
  get length(): number {
    return this.#queue.length - this.#head
  }

  put(text: string, flow: Flow): void {
    if (this.length === 0 && this.#handled < AT_ONCE) {
      // A turn that brings fewer messages than this costs nothing: the count may run on over several.
      if (++this.#handled === AT_ONCE) this.#askForTurn()
      this.#handle(text, flow, 0)
      return
    }
    if (this.length >= MOST_WAITING) this.#handleOldest(performance.now())
    this.#queue.push({ text, flow, since: performance.now() })
    this.#askForTurn()
  }

  #askForTurn(): void {
    if (this.#asked) return
    this.#asked = true
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#asked = false
    this.#handled = 0
    if (this.length === 0) return
    const started = performance.now()
    let now = started
    while (this.length > 0 && now - started < SLICE_MS) {
      this.#handleOldest(now)
      now = performance.now()
    }
    if (this.length > 0) this.#askForTurn()
  }

  #handleOldest(now: number): void {
    const oldest = this.#queue[this.#head]
    if (oldest === undefined) return
    this.#queue[this.#head++] = undefined
    if (this.#head === this.#queue.length) {
      this.#queue = []
      this.#head = 0
    } else if (this.#head >= 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    try {
      this.#handle(oldest.text, oldest.flow, now - oldest.since)
    } catch (error) {
      this.#onError(error)
    }
  }
}
