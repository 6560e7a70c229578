import { seconds, type Clock, type Duration, type Timer } from '../kit/clock.ts'
import type { PeerHealth } from './peer-health.ts'
import type { Target } from './resolver.ts'
import type { Flow, OwnConnection } from './transport/flow.ts'
import { sweep } from './transport/sweep.ts'

export interface ConnectionPoolOptions {
  readonly clock: Clock
  /** `upstream_connections`. */
  readonly size: number
  /** `upstream_recycle_connections`: how long a connection is used, on average. */
  readonly lifetime: Duration
  /** Where the servers are at present, the one to take first. */
  readonly targets: () => Promise<readonly Target[]>
  /** A new connection, beside any others with the same server; undefined if there can be none. */
  readonly connect: (target: Target) => OwnConnection | undefined
  readonly peers: PeerHealth
  /** Flows over which answers are awaited. */
  readonly inUse: () => ReadonlySet<Flow>
  /** 0 up to 1. */
  readonly random?: () => number
}

interface Slot {
  readonly connection: OwnConnection
  readonly target: Target
  readonly retireAt: number
  /** The last sign of life that was asked for: when, and how often the peer had been heard before. */
  probe: { readonly at: number; readonly heard: number } | undefined
  /** When it was last asked whether there is a server again that is to be taken before this one. */
  comparedAt: number
}

const RECYCLE_EVERY = seconds(1)
/**
 * A host that loses its power ends no connection, and what is sent over it is lost without a word, for a quarter of an hour
 * where TCP is left to find out.
 */
const PROBE_EVERY = seconds(3)
/** Servers that are remembered; behind one name there are few. */
const MOST_SERVERS = 1000
const COMPARE_EVERY = seconds(5)
/** Lifetimes vary by this part in either direction, so that not all connections are made anew at once. */
const SPREAD = 0.2

/**
 * Connections to the servers behind one name, each to a server of its own choice by DNS, and each used for a limited
 * time only (sip.md §3.11). So requests spread over all servers; a new one has its share after one lifetime, and one
 * that has left DNS is without work after it. One whose server gives no sign of life is broken off. One with a server that
 * stands in for others, such as another site's, is given up as soon as there is one of those.
 */
export class ConnectionPool {
  readonly #options: ConnectionPoolOptions
  readonly #random: () => number
  readonly #slots: (Slot | undefined)[]
  readonly #opening: boolean[]
  readonly #retired = new Set<Flow>()
  /**
   * Servers that have ever given a sign of life when they were asked: one that knows no keep-alives is not judged by
   * them, and a connection that has just been made is, like those before it.
   */
  readonly #answering = new Set<string>()
  readonly #sweep: Timer
  #recycledAt: number
  #closed = false

  constructor(options: ConnectionPoolOptions) {
    this.#options = options
    this.#random = options.random ?? Math.random
    this.#slots = new Array<undefined>(options.size).fill(undefined)
    this.#opening = new Array<boolean>(options.size).fill(false)
    this.#recycledAt = options.clock.now()
    this.#sweep = sweep(options.clock, RECYCLE_EVERY, now => {
      this.#recycle(now)
    })
    this.#recycle(options.clock.now())
  }

  /** A connection that stands, by chance; undefined while there is none. */
  pick(): Flow | undefined {
    const { length } = this.#slots
    const first = Math.floor(this.#random() * length)
    for (let i = 0; i < length; i++) {
      const connection = this.#slots[(first + i) % length]?.connection
      if (connection?.ready === true) return connection
    }
    return undefined
  }

  close(): void {
    this.#closed = true
    this.#sweep.cancel()
  }

  #recycle(now: number): void {
    // Where this process stood still, answers may wait to be read.
    const stoodStill = now - this.#recycledAt > 2 * RECYCLE_EVERY
    this.#recycledAt = now
    for (let index = 0; index < this.#slots.length; index++) {
      const slot = this.#slots[index]
      if (slot !== undefined && now >= slot.retireAt) {
        this.#slots[index] = undefined
        this.#retired.add(slot.connection)
      }
      if (slot !== undefined && this.#slots[index] === slot) {
        this.#probe(slot, now, stoodStill)
        void this.#compare(index, slot, now)
      }
      if (this.#slots[index] === undefined) void this.#fill(index)
    }
    if (this.#retired.size === 0) return
    const inUse = this.#options.inUse()
    for (const flow of this.#retired) {
      if (inUse.has(flow)) continue
      this.#retired.delete(flow)
      flow.close()
    }
  }

  #probe(slot: Slot, now: number, anew: boolean): void {
    const { connection, target } = slot
    const probe = anew ? undefined : slot.probe
    if (!connection.ready || (probe !== undefined && now - probe.at < PROBE_EVERY)) return
    const isSilent = probe !== undefined && connection.heard === probe.heard
    if (isSilent && this.#answering.has(nameOf(target))) {
      this.#options.peers.failed(target)
      connection.abort(new Error('the peer gives no sign of life'))
      return
    }
    if (probe !== undefined && !isSilent) this.#noteAnswering(target)
    slot.probe = { at: now, heard: connection.heard }
    connection.probe()
  }

  #noteAnswering(target: Target): void {
    if (this.#answering.size >= MOST_SERVERS) this.#answering.clear()
    this.#answering.add(nameOf(target))
  }

  async #compare(index: number, slot: Slot, now: number): Promise<void> {
    const { priority = 0 } = slot.target
    if (priority === 0 || now - slot.comparedAt < COMPARE_EVERY) return
    slot.comparedAt = now
    const [best] = await this.#options.targets()
    if (best === undefined || (best.priority ?? 0) >= priority || this.#slots[index] !== slot) return
    this.#slots[index] = undefined
    this.#retired.add(slot.connection)
    await this.#fill(index)
  }

  async #fill(index: number): Promise<void> {
    if (this.#opening[index] === true) return
    this.#opening[index] = true
    const [target] = await this.#options.targets()
    this.#opening[index] = false
    const connection = target === undefined || this.#closed ? undefined : this.#options.connect(target)
    if (target === undefined || connection === undefined) return
    const { clock, lifetime, peers } = this.#options
    const retireAt = clock.now() + lifetime * (1 + SPREAD * (2 * this.#random() - 1))
    const comparedAt = clock.now()
    this.#slots[index] = { connection, target, retireAt, probe: undefined, comparedAt }
    let stood = false
    connection.onReady(() => {
      stood = true
      peers.answered(target)
    })
    connection.onClose(() => {
      // A connection that stood and broke says nothing about the server.
      if (!stood) peers.failed(target)
      this.#retired.delete(connection)
      if (this.#slots[index]?.connection === connection) this.#slots[index] = undefined
    })
  }
}

function nameOf({ address, port }: Target): string {
  return `${address} ${port}`
}
