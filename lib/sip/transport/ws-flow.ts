import { isUtf8 } from 'node:buffer'
import type { Socket } from 'node:net'
import { type RawData, WebSocket } from 'ws'
import { type Clock, seconds } from '../../kit/clock.ts'
import { contentLengthOf } from './content-length.ts'
import { BaseFlow, type FramingFault, type ListeningPoint, type TransportEvents } from './flow.ts'
import type { StreamLimits } from './stream-limits.ts'

/** After this silence a client is asked whether it still lives: a browser that lost its network says no good-bye. */
const PING_AFTER = seconds(30)
const GOING_AWAY = 1001
const PING = '\r\n\r\n'
const PONG = '\r\n'

export interface WsHost {
  readonly clock: Clock
  readonly limits: StreamLimits
  readonly events: TransportEvents
  readonly point: ListeningPoint
  /** Nobody should be given this flow any more. */
  retired(flow: WsFlow): void
  /** Its socket has closed. */
  gone(flow: WsFlow): void
}

/** One WebSocket client (RFC 7118): each WebSocket message is one SIP message. */
export class WsFlow extends BaseFlow {
  readonly #host: WsHost
  readonly #socket: WebSocket
  readonly #stream: Socket
  #error: Error | undefined
  #lost = false
  #closing = false
  /** Octets that had arrived when a frame was last complete. */
  #octetsSeen = 0
  /** Times since which something lasts that must not last; 0 while it does not. */
  #incompleteSince = 0
  #pingedSince = 0
  #closingSince = 0
  #lastHeard: number

  constructor(host: WsHost, socket: WebSocket, stream: Socket, address: string, port: number) {
    super(host.point, address, port, host.events)
    this.#host = host
    this.#socket = socket
    this.#stream = stream
    this.#lastHeard = host.clock.now()
    this.#octetsSeen = stream.bytesRead
    socket.on('message', data => {
      this.#heard()
      this.#receive(data)
    })
    socket.on('ping', () => {
      this.#heard()
    })
    socket.on('pong', () => {
      this.#heard()
    })
    // Without this an oversize frame from a peer would end the process; `ws` closes the connection itself.
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
    if (this.#closing || this.#socket.readyState !== WebSocket.OPEN) {
      this.failLater(this.#error ?? new Error('the connection is closed'))
      return
    }
    const octets = Buffer.from(text, 'latin1')
    // A text frame must be UTF-8 (RFC 6455 §5.6); a body need not be.
    this.#socket.send(octets, { binary: !isUtf8(octets) }, error => {
      if (error) this.#lost = true
    })
    if (this.#socket.bufferedAmount > this.#host.limits.maxQueued) {
      this.abort(new Error(`the peer does not read: ${this.#socket.bufferedAmount} octets wait for it`))
    }
  }

  close(): void {
    if (this.#closing) return
    this.#retire()
    this.#socket.close(GOING_AWAY)
  }

  /** Closes at once; what waits is lost. */
  abort(error: Error): void {
    this.#error ??= error
    this.#lost ||= this.#socket.bufferedAmount > 0
    this.#retire()
    this.#socket.terminate()
  }

  /** Ends what has lasted too long, and asks the silent whether they live. */
  check(now: number): void {
    const { stall, drain } = this.#host.limits
    if (this.#incompleteSince === 0 && this.#stream.bytesRead !== this.#octetsSeen)
      this.#incompleteSince = now
    if (this.#closingSince !== 0) {
      if (now - this.#closingSince > drain) this.#socket.terminate()
    } else if (this.#incompleteSince !== 0 && now - this.#incompleteSince > stall) {
      this.abort(new Error('the peer began a frame and did not end it'))
    } else if (this.#pingedSince !== 0 && now - this.#pingedSince > stall) {
      this.abort(new Error('the peer does not answer'))
    } else if (this.#pingedSince === 0 && now - this.#lastHeard > PING_AFTER) {
      this.#pingedSince = now
      this.#socket.ping()
    }
  }

  #heard(): void {
    this.#lastHeard = this.#host.clock.now()
    this.#octetsSeen = this.#stream.bytesRead
    this.#incompleteSince = 0
    this.#pingedSince = 0
  }

  #receive(data: RawData): void {
    if (this.#closing) return
    // The octets of a text frame too: a SIP message is octets, and its body's may be of another character set.
    const text = octetsOf(data).toString('latin1')
    if (text === PING) {
      this.send(PONG)
      return
    }
    if (text.trim() === '') return
    const fault = faultOf(text)
    if (fault === undefined) this.deliver(text)
    else {
      // The next frame is a new beginning, so that the connection need not be closed.
      this.guard(() => {
        this.events.malformed(this, fault, text)
      })
    }
  }

  #retire(): void {
    if (this.#closing) return
    this.#closing = true
    this.#closingSince = this.#host.clock.now()
    this.#host.retired(this)
  }

  #gone(): void {
    this.#retire()
    if (this.#lost) this.failLater(this.#error ?? new Error('the connection closed before all was sent'))
    queueMicrotask(() => {
      this.die()
      this.#host.gone(this)
    })
  }
}

/** What keeps a frame from being exactly one message. Content-Length may be left out here (RFC 7118 §5). */
function faultOf(frame: string): FramingFault | undefined {
  const blank = frame.indexOf('\r\n\r\n')
  if (blank === -1) return 'not-one-message'
  const bodyStart = blank + 4
  const length = contentLengthOf(frame.slice(0, bodyStart))
  if (length === 'no-content-length') return undefined
  if (typeof length === 'string') return length
  return frame.length - bodyStart === length ? undefined : 'not-one-message'
}

function octetsOf(data: RawData): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data)
  return Buffer.isBuffer(data) ? data : Buffer.from(data)
}
