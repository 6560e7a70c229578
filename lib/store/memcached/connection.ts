import { connect, type Socket } from 'node:net'
import { formatGet, formatSet, numberOf, ReplyReader, type Reply, type StoreOptions } from './protocol.ts'

/** A value as one server has it. */
export interface Item {
  readonly value: Buffer
  readonly flags: number
  readonly cas: number
  /** Seconds that it lives yet; -1 for ever. */
  readonly ttl: number
}

/** What became of a value that was to be stored: its CAS number, or why it was not. */
export type StoreResult = number | 'exists' | 'missing'

export interface ConnectionOptions {
  readonly host: string
  readonly port: number
  /** The time for one request and its answer, the connection included, in milliseconds. */
  readonly deadlineMs?: number
  /** Requests that may wait for their answers at once. */
  readonly mostPending?: number
}

/** A server could not be asked, or its answer did not come: whether a change was made is not known. */
export class MemcachedFailure extends Error {
  /** `host:port` */
  readonly server: string

  constructor(server: string, why: string) {
    super(`memcached ${server}: ${why}`)
    this.name = 'MemcachedFailure'
    this.server = server
  }
}

interface Pending {
  readonly sentAt: number
  readonly resolve: (reply: Reply) => void
  readonly reject: (error: Error) => void
}

const DEADLINE_MS = 250
const MOST_PENDING = 20_000

/**
 * Requests to one memcached over one connection, which is made when it is needed and made anew after it broke.
 *
 * They are pipelined: each goes out at once, and answers come in the order of requests. A server that is late with one
 * is late with all behind it, so the connection ends, and all that wait are told.
 */
export class MemcachedConnection {
  readonly address: string
  readonly #options: ConnectionOptions
  readonly #deadlineMs: number
  readonly #pending: Pending[] = []
  /** Index of the oldest request without an answer; what is before it is cut off now and then. */
  #answered = 0
  #socket: Socket | undefined
  #timer: NodeJS.Timeout | undefined
  #corked = false
  #closed = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#deadlineMs = options.deadlineMs ?? DEADLINE_MS
    this.address = options.host.includes(':')
      ? `[${options.host}]:${options.port}`
      : `${options.host}:${options.port}`
  }

  /** @throws MemcachedFailure */
  async get(key: string): Promise<Item | undefined> {
    const reply = await this.#ask(formatGet(key))
    if (reply.status === 'EN') return undefined
    const [flags, cas, ttl] = ['f', 'c', 't'].map(letter => numberOf(reply, letter))
    if (reply.value === undefined || flags === undefined || cas === undefined || ttl === undefined)
      throw this.#strange(reply)
    return { value: reply.value, flags, cas, ttl }
  }

  /** @throws MemcachedFailure */
  async set(key: string, value: Buffer, options: StoreOptions): Promise<StoreResult> {
    const reply = await this.#ask(formatSet(key, value.length, options), value)
    if (reply.status === 'NS' || reply.status === 'EX') return 'exists'
    if (reply.status === 'NF') return 'missing'
    const cas = numberOf(reply, 'c')
    if (reply.status !== 'HD' || cas === undefined) throw this.#strange(reply)
    return cas
  }

  /** Ends the connection; who still waits is told. */
  close(): void {
    this.#closed = true
    this.#break('the connection was closed')
  }

  #strange({ status, words }: Reply): MemcachedFailure {
    return new MemcachedFailure(this.address, `it answers ${[status, ...words].join(' ').slice(0, 100)}`)
  }

  #ask(line: string, value?: Buffer): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(new MemcachedFailure(this.address, 'the connection was closed'))
      if (this.#pending.length - this.#answered >= (this.#options.mostPending ?? MOST_PENDING))
        return reject(new MemcachedFailure(this.address, 'too many requests wait for an answer'))
      this.#pending.push({ sentAt: performance.now(), resolve, reject })
      const socket = (this.#socket ??= this.#open())
      this.#cork(socket)
      socket.write(line, 'latin1')
      if (value !== undefined) {
        socket.write(value)
        socket.write('\r\n', 'latin1')
      }
      this.#watch()
    })
  }

  /** What is asked within one turn goes out as one write. */
  #cork(socket: Socket): void {
    if (this.#corked) return
    this.#corked = true
    socket.cork()
    process.nextTick(() => {
      this.#corked = false
      socket.uncork()
    })
  }

  #open(): Socket {
    const { host, port } = this.#options
    const socket = connect({ host, port, noDelay: true })
    const reader = new ReplyReader()
    const isCurrent = (): boolean => this.#socket === socket
    socket.on('data', chunk => {
      if (!isCurrent()) return
      try {
        reader.push(chunk, reply => this.#take(reply))
      } catch (error) {
        this.#break(error instanceof Error ? error.message : String(error))
      }
    })
    socket.on('error', error => {
      if (isCurrent()) this.#break(error.message)
    })
    socket.on('close', () => {
      if (isCurrent()) this.#break('it closed the connection')
    })
    return socket
  }

  #take(reply: Reply): void {
    const pending = this.#pending[this.#answered]
    if (pending === undefined) throw new Error('it answers what nobody has asked')
    this.#answered++
    if (this.#answered > 1000 || this.#answered === this.#pending.length) {
      this.#pending.splice(0, this.#answered)
      this.#answered = 0
    }
    if (!reply.status.endsWith('ERROR')) return pending.resolve(reply)
    pending.reject(this.#strange(reply))
    // It is full, say. After any other error it may take the octets of a value for commands.
    if (reply.status !== 'SERVER_ERROR') throw new Error(`it answers ${reply.status}`)
  }

  #watch(): void {
    this.#timer ??= setTimeout(() => this.#look(), this.#deadlineMs)
  }

  #look(): void {
    this.#timer = undefined
    const oldest = this.#pending[this.#answered]
    if (oldest === undefined) return
    const left = oldest.sentAt + this.#deadlineMs - performance.now()
    if (left <= 0) this.#break(`no answer within ${this.#deadlineMs} ms`)
    else this.#timer = setTimeout(() => this.#look(), left)
  }

  #break(why: string): void {
    const socket = this.#socket
    this.#socket = undefined
    socket?.destroy()
    clearTimeout(this.#timer)
    this.#timer = undefined
    const waiting = this.#pending.splice(0).slice(this.#answered)
    this.#answered = 0
    for (const { reject } of waiting) reject(new MemcachedFailure(this.address, why))
  }
}
