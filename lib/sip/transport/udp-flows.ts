import { BaseFlow, type ListeningPoint, type TransportEvents } from './flow.ts'
import { canonicalAddress, PeerTable } from './peer-table.ts'

/** IPv4 leaves this much of a datagram to UDP's payload; IPv6 a little more. */
const MAX_DATAGRAM_OCTETS = 65_507

/** Datagrams are cut from blocks of this size: a buffer of its own for each would cost as much as the system call. */
const BLOCK_OCTETS = 128 * 1024
let block = Buffer.allocUnsafeSlow(BLOCK_OCTETS)
let used = 0

/** A message as octets, in a part of a block that nobody writes to again: the kernel may take it later. */
function octetsOf(text: string): Buffer {
  if (used + text.length > BLOCK_OCTETS) {
    block = Buffer.allocUnsafeSlow(BLOCK_OCTETS)
    used = 0
  }
  const octets = block.subarray(used, used + block.write(text, used, 'latin1'))
  used += octets.length
  return octets
}

/** What a flow needs of the socket it shares with all others. */
export interface DatagramSender {
  /** Never throws. @param settled told what became of it, where the caller wants to know */
  transmit(octets: Buffer, port: number, address: string, settled?: (error: Error | null) => void): void
}

/** One UDP peer. It has no connection behind it: only the table's memory of the peer ends, sending goes on working. */
export class UdpFlow extends BaseFlow {
  /** Neighbours in the table's list of flows that may be forgotten; the table's business alone. */
  newer: UdpFlow | undefined
  older: UdpFlow | undefined
  readonly #table: FlowTable
  readonly #sender: DatagramSender
  /** Whether the way to this peer has worked once; until then each send asks what became of it. */
  #proven = false

  constructor(
    table: FlowTable,
    sender: DatagramSender,
    local: ListeningPoint,
    address: string,
    port: number,
    events: TransportEvents,
  ) {
    super(local, address, port, events)
    this.#table = table
    this.#sender = sender
  }

  send(text: string): void {
    if (text.length > MAX_DATAGRAM_OCTETS) {
      this.failLater(new Error(`${text.length} octets do not fit into a datagram`))
      return
    }
    const octets = octetsOf(text)
    if (this.#proven) {
      // Without a callback Node tries the send at once and keeps no record of it: a third of the cost.
      this.#sender.transmit(octets, this.remotePort, this.remoteAddress)
      return
    }
    this.#sender.transmit(octets, this.remotePort, this.remoteAddress, error => {
      if (error === null) this.#proven = true
      else this.failLater(error)
    })
  }

  close(): void {
    this.#table.forget(this)
  }

  /** A message from the peer has come. */
  received(text: string): void {
    this.#proven = true
    this.deliver(text)
  }

  /** Called by the table, which no longer knows this flow. */
  forgotten(): void {
    this.die()
  }

  protected override observedChanged(): void {
    if (this.observed) this.#table.pin(this)
    else this.#table.unpin(this)
  }
}

/**
 * The flows of one socket, each peer one object.
 *
 * Forged sources cannot fill memory: beyond `limit` the flow that has been silent longest is forgotten. Flows that
 * somebody listens to are neither forgotten nor counted; their number is their owners' business.
 */
export class FlowTable {
  readonly #peers = new PeerTable<UdpFlow>()
  readonly #limit: number
  readonly #create: (address: string, port: number) => UdpFlow
  /** Both ends of the list of flows that may be forgotten, ordered by last use. */
  #newest: UdpFlow | undefined
  #oldest: UdpFlow | undefined
  #listed = 0

  constructor(limit: number, create: (address: string, port: number) => UdpFlow) {
    this.#limit = limit
    this.#create = create
  }

  get size(): number {
    return this.#peers.size
  }

  /** @param address as the kernel spells it */
  get(address: string, port: number): UdpFlow {
    const known = this.#peers.get(address, port)
    if (known !== undefined) {
      this.#touch(known)
      return known
    }
    const flow = this.#create(address, port)
    this.#peers.add(flow)
    this.#list(flow)
    if (this.#listed > this.#limit && this.#oldest !== undefined) this.forget(this.#oldest)
    return flow
  }

  /** @param address in any spelling */
  find(address: string, port: number): UdpFlow {
    const known = this.#peers.get(address, port)
    if (known === undefined) return this.get(canonicalAddress(address), port)
    this.#touch(known)
    return known
  }

  forget(flow: UdpFlow): void {
    if (this.#peers.get(flow.remoteAddress, flow.remotePort) !== flow) return
    this.#peers.delete(flow)
    if (!flow.observed) this.#unlist(flow)
    flow.forgotten()
  }

  forgetAll(): void {
    for (const flow of [...this.#peers.values()]) this.forget(flow)
  }

  pin(flow: UdpFlow): void {
    this.#unlist(flow)
  }

  unpin(flow: UdpFlow): void {
    this.#list(flow)
    if (this.#listed > this.#limit && this.#oldest !== undefined) this.forget(this.#oldest)
  }

  #touch(flow: UdpFlow): void {
    if (flow === this.#newest || flow.observed) return
    this.#unlist(flow)
    this.#list(flow)
  }

  #list(flow: UdpFlow): void {
    flow.older = this.#newest
    flow.newer = undefined
    if (this.#newest === undefined) this.#oldest = flow
    else this.#newest.newer = flow
    this.#newest = flow
    this.#listed++
  }

  #unlist(flow: UdpFlow): void {
    if (flow.older === undefined) this.#oldest = flow.newer
    else flow.older.newer = flow.newer
    if (flow.newer === undefined) this.#newest = flow.older
    else flow.newer.older = flow.older
    flow.older = undefined
    flow.newer = undefined
    this.#listed--
  }
}
