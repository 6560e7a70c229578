import { connect, type Socket } from 'node:net'
import { seconds, type Clock, type Timer } from '../../kit/clock.ts'
import type { Log } from '../../kit/log.ts'
import { inOrder, type Subtree, type Variable } from '../mib.ts'
import { compareOids, type Oid } from '../oid.ts'
import {
  ERROR,
  EXCEPTION,
  formatClose,
  formatOpen,
  formatRegister,
  formatResponse,
  PDU,
  readError,
  readPdu,
  readQuestion,
  type Binding,
  type Pdu,
  type SearchRange,
} from './pdu.ts'

export interface SubagentOptions {
  /** Where the master agent (snmpd) listens: path of a UNIX socket. */
  readonly master: string
  /** What it calls us. */
  readonly description: string
  readonly subtrees: readonly Subtree[]
  readonly clock: Clock
  readonly log: Log
}

/** Where Debian's snmpd listens. */
export const MASTER_SOCKET = '/var/agentx/master'

const RETRY_AFTER = seconds(5)
/** The time in which we answer, in seconds: then the master asks us no more. */
const TIMEOUT_S = 5
/** A bulk request is answered with no more than this. */
const MOST_BINDINGS = 2000

/**
 * Has a master agent answer for parts of the tree of objects with what a daemon knows (RFC 2741).
 *
 * A master that is not there, ends, or talks nonsense is tried again after some seconds, for ever: nobody but the one who asks
 * by SNMP misses it.
 */
export class Subagent {
  readonly #options: SubagentOptions
  #socket: Socket | undefined
  #retry: Timer | undefined
  #octets: Buffer = Buffer.alloc(0)
  #packetId = 0
  #sessionId: number | undefined
  /** Subtrees that are asked for, by the packet that did. */
  readonly #asked = new Map<number, Subtree>()
  #registered = 0
  #isClosed = false
  #isKnownMissing = false

  constructor(options: SubagentOptions) {
    this.#options = options
    this.#connect()
  }

  /** Whether the master asks us. */
  get isRegistered(): boolean {
    return this.#registered === this.#options.subtrees.length
  }

  close(): void {
    this.#isClosed = true
    this.#retry?.cancel()
    if (this.#sessionId !== undefined) this.#socket?.write(formatClose(this.#sessionId, ++this.#packetId))
    this.#socket?.end()
    this.#socket?.destroySoon()
  }

  #connect(): void {
    const socket = connect({ path: this.#options.master })
    this.#socket = socket
    this.#octets = Buffer.alloc(0)
    this.#sessionId = undefined
    this.#asked.clear()
    this.#registered = 0
    socket.on('connect', () =>
      socket.write(formatOpen(++this.#packetId, this.#options.description, TIMEOUT_S)),
    )
    socket.on('data', chunk => this.#receive(socket, chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => this.#gone(socket))
  }

  #gone(socket: Socket): void {
    if (this.#socket !== socket || this.#isClosed) return
    const { clock, log, master } = this.#options
    if (!this.#isKnownMissing) log.info('no SNMP agent takes our statistics; it is tried again', { master })
    this.#isKnownMissing = true
    this.#registered = 0
    this.#retry = clock.after(RETRY_AFTER, () => this.#connect())
  }

  #receive(socket: Socket, chunk: Buffer): void {
    this.#octets = this.#octets.length === 0 ? chunk : Buffer.concat([this.#octets, chunk])
    try {
      for (let read = readPdu(this.#octets); read !== undefined; read = readPdu(this.#octets)) {
        this.#octets = this.#octets.subarray(read.length)
        this.#handle(socket, read.pdu)
      }
    } catch (error) {
      this.#options.log.warn('the SNMP agent has sent something that is not understood', { error })
      socket.destroy()
    }
  }

  #handle(socket: Socket, pdu: Pdu): void {
    if (pdu.type === PDU.response) this.#answered(socket, pdu)
    else if (pdu.type === PDU.close) socket.destroy()
    else if (pdu.type === PDU.get || pdu.type === PDU.getNext || pdu.type === PDU.getBulk)
      socket.write(this.#answer(pdu))
    // Nothing of ours can be set: a master that tries is told so in the first of several steps. The last has no answer.
    else if (pdu.type !== PDU.cleanupSet) socket.write(formatResponse(pdu, ERROR.notWritable, []))
  }

  /** A response to what we have asked: to be let in, or to be asked for a subtree. */
  #answered(socket: Socket, pdu: Pdu): void {
    const { log, master, subtrees } = this.#options
    const error = readError(pdu)
    const subtree = this.#asked.get(pdu.packetId)
    if (this.#sessionId === undefined) {
      if (error !== ERROR.none) {
        log.warn('the SNMP agent does not let us in', { master, error })
        socket.destroy()
        return
      }
      this.#sessionId = pdu.sessionId
      for (const each of subtrees) {
        this.#asked.set(++this.#packetId, each)
        socket.write(formatRegister(pdu.sessionId, this.#packetId, each.root))
      }
    } else if (subtree !== undefined) {
      this.#asked.delete(pdu.packetId)
      // Somebody else may answer for it, such as a daemon that is about to end.
      if (error === ERROR.none) this.#registered++
      else {
        log.warn('the SNMP agent does not let us answer for a part of the tree', {
          oid: subtree.root.join('.'),
          error,
        })
        socket.destroy()
      }
      if (this.isRegistered) {
        this.#isKnownMissing = false
        log.info('the SNMP agent takes our statistics', { master })
      }
    }
  }

  #answer(pdu: Pdu): Buffer {
    const { ranges, nonRepeaters, repetitions } = readQuestion(pdu)
    const variables = inOrder(this.#options.subtrees.flatMap(subtree => subtree.variables()))
    if (pdu.type === PDU.get)
      return formatResponse(
        pdu,
        ERROR.none,
        ranges.map(({ start }) => this.#exactly(start, variables)),
      )
    if (pdu.type === PDU.getNext)
      return formatResponse(
        pdu,
        ERROR.none,
        ranges.map(range => next(range, variables)),
      )
    const bindings = ranges.slice(0, nonRepeaters).map(range => next(range, variables))
    let repeating: readonly SearchRange[] = ranges.slice(nonRepeaters)
    for (let round = 0; round < repetitions && bindings.length < MOST_BINDINGS; round++) {
      const found = repeating.map(range => next(range, variables))
      bindings.push(...found)
      if (found.every(each => 'exception' in each)) break
      repeating = repeating.map((range, index) => ({
        ...range,
        start: found[index]?.oid ?? range.start,
        inclusive: false,
      }))
    }
    return formatResponse(pdu, ERROR.none, bindings)
  }

  #exactly(oid: Oid, variables: readonly Variable[]): Binding {
    const found = variables.find(each => compareOids(each.oid, oid) === 0)
    return found ?? { oid, exception: EXCEPTION.noSuchInstance }
  }
}

/** The first variable of a range (RFC 2741 §7.2.3.2). */
function next({ start, inclusive, end }: SearchRange, variables: readonly Variable[]): Binding {
  const found = variables.find(({ oid }) => {
    const order = compareOids(oid, start)
    return order > 0 || (inclusive && order === 0)
  })
  const isInside = found !== undefined && (end.length === 0 || compareOids(found.oid, end) < 0)
  return isInside ? found : { oid: start, exception: EXCEPTION.endOfMibView }
}
