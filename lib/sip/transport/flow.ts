/** As written in Via and in the `transport` parameter of a URI. */
export type TransportName = 'UDP' | 'TCP' | 'WS'

/** The largest SIP message taken from or handed to any transport, in octets, headers and body together. */
export const MAX_MESSAGE_OCTETS = 65_536

/** An address on which this process takes SIP, after binding: the port is the real one. */
export interface ListeningPoint {
  /** What its owner calls it: `untrusted`, `scscf` and so on. */
  readonly name?: string
  readonly transport: TransportName
  readonly address: string
  readonly port: number
}

/**
 * One peer over one transport as seen from one listening point.
 *
 * Interned: while a flow lives, the same peer is the same object, so flows are compared by identity.
 */
export interface Flow {
  /** Unique in this process; never used again. */
  readonly id: number
  readonly transport: TransportName
  /** Whether the transport itself resends what is lost (RFC 3261 §17): not so for UDP. */
  readonly reliable: boolean
  readonly remoteAddress: string
  readonly remotePort: number
  /** The point at which it arrived or from which it leaves. */
  readonly local: ListeningPoint
  readonly closed: boolean
  /** A connection that stands, and takes what is sent; absent where there are no connections to make. */
  readonly ready?: boolean
  /**
   * Sends one message, given as one character per octet. Never throws and never calls back at once: what cannot
   * be delivered is told later by `TransportEvents.failed`.
   */
  send(text: string): void
  /** Lets what was sent go out, takes nothing more, closes. Does nothing the second time. */
  close(): void
  /**
   * Calls `fn` once when the flow has died, soon if it has already. Whoever keeps data about a flow releases it here;
   * a UDP flow that somebody listens to is not forgotten.
   *
   * @returns takes `fn` back
   */
  onClose(fn: () => void): () => void
}

/** A connection that belongs to whoever asked for it. */
export interface OwnConnection extends Flow {
  readonly ready: boolean
  /** Calls `fn` once it stands. */
  onReady(fn: () => void): void
  /** How often something has come over it. */
  readonly heard: number
  /** Asks the peer for a sign of life (RFC 5626 §3.5.1). */
  probe(): void
  /** Closes at once; what waits is lost. */
  abort(error: Error): void
}

/**
 * Why octets are not a message.
 *
 * `no-content-length`, `bad-content-length`: a stream can only be cut with one that is clear (RFC 3261 §18.3).
 * `too-large`: above `MAX_MESSAGE_OCTETS`. `not-one-message`: a WebSocket message with less or more (RFC 7118 §5).
 */
export type FramingFault = 'no-content-length' | 'bad-content-length' | 'too-large' | 'not-one-message'

/** What a transport tells its owner. A handler that throws harms only its own message: see `error`. */
export interface TransportEvents {
  /** One whole message, one character per octet. Calls for one flow come in the order of arrival. */
  message(text: string, flow: Flow): void
  /**
   * The peer broke the framing. A stream is closed after this call, so that an answer can still be sent from within.
   *
   * @param text the header part where it was found (for WebSocket the whole frame), to answer from; else empty
   */
  malformed(flow: Flow, fault: FramingFault, text: string): void
  /** Something handed to `flow.send` was not delivered (RFC 3261 §18.4): once for each loss seen, not for each message. */
  failed(flow: Flow, error: Error): void
  /** The flow has died; the last call about it. */
  closed(flow: Flow): void
  /** A socket's own trouble, or an exception out of one of these handlers. The transport goes on. */
  error(error: unknown): void
}

/** What the layers above use of any transport. */
export interface Transport extends AsyncDisposable {
  readonly point: ListeningPoint
  /**
   * The flow to a peer: the living one, else a new one where this transport can make it. WebSocket cannot
   * (RFC 7118 §5): a server waits for its clients.
   *
   * @param address IPv4 or IPv6 in text, without brackets; anything else is a flow whose sending fails
   */
  flowTo(address: string, port: number): Flow | undefined
  /** Makes one more connection with a peer, whatever there is already; absent where there are no connections to make. */
  connect?(address: string, port: number): OwnConnection
  /** Takes no new connections; those that are there go on. Absent where there are none to take. */
  pause?(): void
  /** Takes connections again. */
  resume?(): Promise<void>
  /** Stops listening, lets what was sent go out, closes all flows; done when the last has gone. */
  close(): Promise<void>
}

let lastId = 0

/** What flows of all transports have in common. */
export abstract class BaseFlow implements Flow {
  readonly id = ++lastId
  readonly transport: TransportName
  readonly reliable: boolean
  readonly remoteAddress: string
  readonly remotePort: number
  readonly local: ListeningPoint
  protected readonly events: TransportEvents
  #listeners: Set<() => void> | undefined
  #dead = false

  constructor(local: ListeningPoint, remoteAddress: string, remotePort: number, events: TransportEvents) {
    this.transport = local.transport
    this.reliable = local.transport !== 'UDP'
    this.remoteAddress = remoteAddress
    this.remotePort = remotePort
    this.local = local
    this.events = events
  }

  abstract send(text: string): void
  abstract close(): void

  get closed(): boolean {
    return this.#dead
  }

  /** Whether somebody waits for its end. */
  get observed(): boolean {
    return this.#listeners !== undefined && this.#listeners.size > 0
  }

  onClose(fn: () => void): () => void {
    if (this.#dead) {
      queueMicrotask(() => {
        this.guard(fn)
      })
      return () => undefined
    }
    // A wrapper, so that the same function given twice is called twice and taken back once.
    const listener = (): void => {
      fn()
    }
    this.#listeners ??= new Set()
    this.#listeners.add(listener)
    if (this.#listeners.size === 1) this.observedChanged()
    return () => {
      if (this.#listeners?.delete(listener) === true && this.#listeners.size === 0) this.observedChanged()
    }
  }

  /** Called when `observed` has changed. */
  protected observedChanged(): void {
    // Only a transport that forgets flows by itself needs to know.
  }

  /** Tells everybody, once, that the flow is dead. */
  protected die(): void {
    if (this.#dead) return
    this.#dead = true
    const listeners = this.#listeners
    this.#listeners = undefined
    for (const listener of listeners ?? []) this.guard(listener)
    this.guard(() => {
      this.events.closed(this)
    })
  }

  /** Reports a loss after the present call has returned, so that a sender is never re-entered. */
  protected failLater(error: Error): void {
    queueMicrotask(() => {
      this.guard(() => {
        this.events.failed(this, error)
      })
    })
  }

  /** Hands a message up; an exception from there costs this message only. */
  protected deliver(text: string): void {
    try {
      this.events.message(text, this)
    } catch (error) {
      this.events.error(error)
    }
  }

  protected guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      this.events.error(error)
    }
  }
}
