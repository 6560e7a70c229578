import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { getServers } from 'node:dns'
import { createConnection, isIP, isIPv6 } from 'node:net'
import { millis, seconds, type Clock } from '../kit/clock.ts'
import type { Records, RecordType } from './queries.ts'
import { formatQuestion, parseAnswer, plainName, type Answer, type Question } from './wire.ts'

export interface StubOptions {
  /** `address`, `address:port` or `[IPv6]:port`, asked in this order; by default those of the machine. */
  readonly servers?: readonly string[]
  readonly clock: Clock
}

/** What all servers together say; of `failed` they say nothing. */
export type Found<Type extends RecordType = RecordType> =
  | { readonly kind: 'records'; readonly records: readonly Records[Type][]; readonly ttl: number }
  | { readonly kind: 'none'; readonly ttl: number | undefined }
  | { readonly kind: 'failed'; readonly why: string }

interface Server {
  readonly address: string
  readonly port: number
}

/** A server has a time between these two to answer, so that many askers do not ask again all at once. */
const PATIENCE_MS = { from: 500, to: 1000 }
const TCP_PATIENCE = seconds(2)
const MOST_ALIASES = 8
/** Each takes a socket; what comes on top waits. */
const MOST_AT_ONCE = 200
const MOST_WAITING = 5000

/**
 * Asks recursive DNS servers: over UDP, each question from a port of its own with a random id, and over TCP what does
 * not fit. The next server is asked when one fails or stays silent; a single one is asked twice.
 */
export class DnsStub {
  readonly #servers: readonly Server[]
  readonly #clock: Clock
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(options: StubOptions) {
    const named = options.servers ?? []
    this.#servers = (named.length > 0 ? named : getServers()).map(serverOf)
    this.#clock = options.clock
  }

  /** Never rejects. */
  async find<Type extends RecordType>(type: Type, name: string): Promise<Found<Type>> {
    if (this.#running >= MOST_AT_ONCE) {
      if (this.#waiting.length >= MOST_WAITING) return { kind: 'failed', why: 'too many questions wait' }
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
    this.#running++
    try {
      // A server's answer to a question for this type holds records of this type only.
      return (await this.#followed(type, name)) as Found<Type>
    } finally {
      this.#running--
      this.#waiting.shift()?.()
    }
  }

  async #followed(type: RecordType, asked: string): Promise<Found> {
    let ttl = Infinity
    let name = plainName(asked)
    for (let hops = 0; name !== undefined && hops <= MOST_ALIASES; hops++) {
      const answer = await this.#ask(type, name)
      switch (answer.kind) {
        case 'alias':
          ttl = Math.min(ttl, answer.ttl)
          name = answer.name
          break
        case 'records':
          return { ...answer, ttl: Math.min(ttl, answer.ttl) }
        case 'truncated':
          return { kind: 'failed', why: 'the answer is cut even over TCP' }
        default:
          return answer
      }
    }
    return { kind: 'none', ttl: undefined }
  }

  async #ask(type: RecordType, name: string): Promise<Answer> {
    const [first] = this.#servers
    const rounds = this.#servers.length === 1 && first !== undefined ? [first, first] : this.#servers
    let answer: Answer = { kind: 'failed', why: 'there is no DNS server' }
    for (const server of rounds) {
      const question: Question = { id: randomInt(0x10000), name, type }
      answer = await this.#overUdp(server, question)
      if (answer.kind === 'truncated') answer = await this.#overTcp(server, question)
      if (answer.kind !== 'failed') break
    }
    return answer
  }

  #overUdp(server: Server, question: Question): Promise<Answer> {
    return new Promise(resolve => {
      const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
      const settle = (answer: Answer): void => {
        timer.cancel()
        socket.removeAllListeners('message')
        socket.close()
        resolve(answer)
      }
      const patience = PATIENCE_MS.from + Math.random() * (PATIENCE_MS.to - PATIENCE_MS.from)
      const timer = this.#clock.after(millis(patience), () => {
        settle({ kind: 'failed', why: `${server.address} does not answer` })
      })
      socket.once('error', error => {
        settle({ kind: 'failed', why: error.message })
        socket.on('error', () => undefined)
      })
      socket.on('message', octets => {
        const answer = parseAnswer(octets, question)
        if (answer !== undefined) settle(answer)
      })
      // Connected, so that only this server is heard, and a port that is closed is told of at once.
      socket.once('connect', () => {
        socket.send(formatQuestion(question))
      })
      socket.connect(server.port, server.address)
    })
  }

  #overTcp(server: Server, question: Question): Promise<Answer> {
    return new Promise(resolve => {
      const socket = createConnection({ host: server.address, port: server.port })
      const pieces: Buffer[] = []
      let length = 0
      const settle = (answer: Answer): void => {
        timer.cancel()
        socket.destroy()
        resolve(answer)
      }
      const timer = this.#clock.after(TCP_PATIENCE, () => {
        settle({ kind: 'failed', why: `${server.address} does not answer over TCP` })
      })
      socket.on('error', error => {
        settle({ kind: 'failed', why: error.message })
      })
      socket.on('close', () => {
        settle({ kind: 'failed', why: `${server.address} closed the connection` })
      })
      socket.on('connect', () => {
        const octets = formatQuestion(question)
        const prefix = Buffer.alloc(2)
        prefix.writeUInt16BE(octets.length)
        socket.write(Buffer.concat([prefix, octets]))
      })
      socket.on('data', piece => {
        pieces.push(piece)
        length += piece.length
        if (length < 2) return
        const all = Buffer.concat(pieces)
        const end = 2 + all.readUInt16BE(0)
        if (length < end) return
        const answer = parseAnswer(all.subarray(2, end), question)
        settle(answer ?? { kind: 'failed', why: `${server.address} answers something else` })
      })
    })
  }
}

function serverOf(text: string): Server {
  if (isIP(text) !== 0) return { address: text, port: 53 }
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? []
  return { address: bracketed ?? plain ?? text, port: Number(port ?? 53) }
}
