import type { Socket } from 'node:net'
import type { Clock } from '../../kit/clock.ts'
import {
  BaseFlow,
  type FramingFault,
  type ListeningPoint,
  type OwnConnection,
  type TransportEvents,
} from './flow.ts'
import { type FramerSink, StreamFramer } from './framer.ts'
import type { StreamLimits } from './stream-limits.ts'

const PING = '\r\n\r\n'
const PONG = '\r\n'

/** What a connection needs of the transport that has it. */
export interface TcpHost {
  readonly clock: Clock
  readonly limits: StreamLimits
  readonly events: TransportEvents
  readonly point: ListeningPoint
  /** Calls `flow.flush` once at the end of this turn of the event loop. */
  flushLater(flow: TcpFlow): void
  /** Memory for incomplete messages has changed; false if there is no more. */
  held(change: number): boolean
  /** Nobody should be given this flow any more. */
  retired(flow: TcpFlow): void
  /** Its socket has closed. */
  gone(flow: TcpFlow): void
}

/** One TCP connection. All that is sent in one turn of the event loop goes out as one write. */
export class TcpFlow extends BaseFlow implements FramerSink, OwnConnection {
  readonly #host: TcpHost
  readonly #socket: Socket
  readonly #framer: StreamFramer
  readonly #queue: string[] = []
  /** Octets in the queue and in the present write. */
  #queued = 0
  #writing = false
  #flushAsked = false
  #connected: boolean
  #closing = false
  #heard = 0
  #probes = false
  #error: Error | undefined
  #onReady: (() => void) | undefined
  #held = 0
  /** Times since which something lasts that must not last; 0 while it does not. */
  #incompleteSince = 0
  #writingSince = 0
  #closingSince = 0

  /** @param connected false for a connection that is being made: what is sent waits until it is */
  constructor(host: TcpHost, socket: Socket, address: string, port: number, connected: boolean) {
    super(host.point, address, port, host.events)
    this.#host = host
    this.#socket = socket
    this.#framer = new StreamFramer(this)
    this.#connected = connected
    socket.on('data', chunk => {
      this.#receive(chunk)
    })
    // What we still have to say is said; then our half closes too.
    socket.on('end', () => {
      this.close()
    })
    socket.on('error', error => {
      this.#error ??= error
    })
    socket.on('close', () => {
      this.#gone()
    })
  }

  override get closed(): boolean {
    return this.#closing
  }

  send(text: string): void {
    if (this.#closing) {
      this.failLater(this.#error ?? new Error('the connection is closed'))
      return
    }
    this.#queue.push(text)
    this.#queued += text.length
    if (this.#queued > this.#host.limits.maxQueued) {
      this.abort(new Error(`the peer does not read: ${this.#queued} octets wait for it`))
    } else if (!this.#flushAsked && !this.#writing && this.#connected) {
      this.#flushAsked = true
      this.#host.flushLater(this)
    }
  }

  /** Writes all that waits, in one piece. */
  flush(): void {
    this.#flushAsked = false
    if (this.#writing || !this.#connected || this.#queue.length === 0) return
    const text = this.#queue.length === 1 ? (this.#queue[0] ?? '') : this.#queue.join('')
    this.#queue.length = 0
    this.#writing = true
    this.#writingSince = this.#host.clock.now()
    this.#socket.write(text, 'latin1', error => {
      // The connection is about to close, and tells then that this was lost.
      if (error) return
      this.#queued -= text.length
      this.#writing = false
      this.#writingSince = 0
      if (this.#queue.length > 0) this.flush()
      else if (this.#closing) this.#socket.end()
    })
  }

  close(): void {
    if (this.#closing) return
    this.#retire()
    if (!this.#connected) this.#socket.destroy()
    else if (this.#queued === 0) this.#socket.end()
    else this.flush()
  }

  /** Closes at once; what waits is lost. */
  abort(error: Error): void {
    this.#error ??= error
    this.#retire()
    this.#socket.destroy()
  }

  get heard(): number {
    return this.#heard
  }

  probe(): void {
    this.#probes = true
    this.send(PING)
  }

  get ready(): boolean {
    return this.#connected && !this.#closing
  }

  onReady(fn: () => void): void {
    this.#onReady = fn
  }

  connected(): void {
    this.#connected = true
    this.flush()
    this.#onReady?.()
  }

  /** Ends what has lasted too long. */
  check(now: number): void {
    const { stall, drain } = this.#host.limits
    if (this.#closingSince !== 0 && now - this.#closingSince > drain) this.#socket.destroy()
    else if (this.#incompleteSince !== 0 && now - this.#incompleteSince > stall) {
      this.abort(new Error('the peer began a message and did not end it'))
    } else if (this.#writingSince !== 0 && now - this.#writingSince > stall) {
      this.abort(new Error('the peer does not read'))
    }
  }

  message(text: string): void {
    this.#incompleteSince = 0
    this.deliver(text)
  }

  ping(): void {
    // Two answers to our own look like one.
    if (!this.#probes) this.send(PONG)
  }

  malformed(fault: FramingFault, head: string): void {
    this.guard(() => {
      this.events.malformed(this, fault, head)
    })
    this.close()
  }

  #receive(chunk: Buffer): void {
    this.#heard++
    this.#framer.push(chunk)
    if (!this.#framer.incomplete) this.#incompleteSince = 0
    else if (this.#incompleteSince === 0) this.#incompleteSince = this.#host.clock.now()
    const change = this.#framer.heldOctets - this.#held
    if (change === 0) return
    this.#held += change
    if (!this.#host.held(change)) this.abort(new Error('too much memory is taken by incomplete messages'))
  }

  #retire(): void {
    if (this.#closing) return
    this.#closing = true
    this.#closingSince = this.#host.clock.now()
    // From now on the peer's octets are read and dropped: unread ones would turn our close into a reset.
    this.#framer.stop()
    this.#host.retired(this)
  }

  #gone(): void {
    this.#retire()
    this.#host.held(-this.#held)
    this.#held = 0
    if (this.#queued > 0)
      this.failLater(this.#error ?? new Error('the connection closed before all was sent'))
    this.#queue.length = 0
    // After the loss has been told, since this is the last word about the flow.
    queueMicrotask(() => {
      this.die()
      this.#host.gone(this)
    })
  }
}
