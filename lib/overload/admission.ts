/** The manual's settings of overload control. */
export interface AdmissionOptions {
  /** `target_latency_us`. */
  readonly targetLatencyUs: number
  /** `max_tokens`: so many requests may come at once. */
  readonly maxTokens: number
  /** `init_token_rate`, requests a second. */
  readonly initTokenRate: number
  /** `min_token_rate`, requests a second. */
  readonly minTokenRate: number
}

/** What a control has seen and decided since the start. */
export interface AdmissionFigures {
  /** Requests a second that it lets in at present. */
  readonly rate: number
  readonly targetLatencyUs: number
  /** Mean of the last requests. */
  readonly latencyUs: number
  readonly refused: number
  /** Times that another server has said that it has too much to do. */
  readonly penalties: number
}

/** The rate is looked at after so many requests, or when the last look is so long ago. */
const LOOK_AFTER_REQUESTS = 20
const LOOK_AFTER_MS = 1000
/** After fewer bad looks there may only have been a stall, which the savings of the bucket are for. */
const BAD_LOOKS_OF_STALL = 10
const DECREASE = 1.2
/** Part of the bucket that the rate grows by where requests take no time at all. */
const INCREASE = 0.5
/** How far below the target the latency must be for the rate to grow. */
const DEADBAND = 0.005
/** The rate only grows while at least this part of it is used. */
const USED = 0.5

/**
 * Lets in as many requests as can be answered within a target latency: a token bucket whose rate follows the latency
 * (sip.md §8.1). A request takes a token; without one it is refused, unless it is one that nobody may refuse.
 *
 * The rate changes no faster than a change of it can be felt, which takes as long as requests wait: once in the target
 * latency. While latency stays above the target there are no savings: a full bucket would go on letting in what cannot
 * be done.
 */
export class Admission {
  readonly #options: AdmissionOptions
  #rate: number
  #tokens: number
  #refilledAt: number
  #lookedAt: number
  /** In a row. */
  #badLooks = 0
  /** Since the last look. */
  #requests = 0
  #latencySumUs = 0
  #penalised = false
  #latencyUs = 0
  #refused = 0
  #penalties = 0

  /** @param now milliseconds of the clock that all calls use */
  constructor(options: AdmissionOptions, now = performance.now()) {
    this.#options = options
    this.#rate = Math.max(options.initTokenRate, options.minTokenRate)
    this.#tokens = options.maxTokens
    this.#refilledAt = now
    this.#lookedAt = now
  }

  /** Milliseconds until a change of the rate shows. */
  get #felt(): number {
    return this.#options.targetLatencyUs / 1000
  }

  get figures(): AdmissionFigures {
    return {
      rate: this.#rate,
      targetLatencyUs: this.#options.targetLatencyUs,
      latencyUs: this.#latencyUs,
      refused: this.#refused,
      penalties: this.#penalties,
    }
  }

  /** Takes a token, if there is one. */
  take(now: number): boolean {
    this.#tokens = Math.min(
      this.#options.maxTokens,
      this.#tokens + (Math.max(0, now - this.#refilledAt) * this.#rate) / 1000,
    )
    this.#refilledAt = now
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** A request was turned away. */
  refused(): void {
    this.#refused++
  }

  /** A request that was let in, with a token or without, is done. */
  completed(latencyMs: number, now: number): void {
    this.#requests++
    this.#latencySumUs += latencyMs * 1000
    const sinceMs = now - this.#lookedAt
    if (this.#requests < LOOK_AFTER_REQUESTS ? sinceMs >= LOOK_AFTER_MS : sinceMs >= this.#felt)
      this.#look(now)
  }

  /** A server that requests depend on has refused one for its own load. */
  penalise(): void {
    this.#penalised = true
    this.#penalties++
  }

  #look(now: number): void {
    const { targetLatencyUs, maxTokens, minTokenRate } = this.#options
    const perSecond = (this.#requests * 1000) / Math.max(1, now - this.#lookedAt)
    this.#latencyUs = this.#latencySumUs / this.#requests
    const error = (this.#latencyUs - targetLatencyUs) / targetLatencyUs
    if (error > 0 || this.#penalised) {
      this.#rate = Math.max(minTokenRate, this.#rate / DECREASE)
      this.#badLooks++
      if (this.#badLooks > BAD_LOOKS_OF_STALL) this.#tokens = Math.min(this.#tokens, 1)
    } else {
      this.#badLooks = 0
      if (error < -DEADBAND && perSecond > this.#rate * USED) this.#rate += -error * maxTokens * INCREASE
    }
    this.#requests = 0
    this.#latencySumUs = 0
    this.#penalised = false
    this.#lookedAt = now
  }
}
