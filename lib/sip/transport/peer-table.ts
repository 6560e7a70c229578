import { isIPv6, SocketAddress } from 'node:net'

interface Peer {
  readonly remoteAddress: string
  readonly remotePort: number
}

/**
 * Peers by address and port. Two levels of Map, because building a key string for each message would cost more than
 * both look-ups.
 */
export class PeerTable<T extends Peer> {
  readonly #byAddress = new Map<string, Map<number, T>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(address: string, port: number): T | undefined {
    return this.#byAddress.get(address)?.get(port)
  }

  /** Adds a peer unless another holds its place. */
  add(peer: T): void {
    let byPort = this.#byAddress.get(peer.remoteAddress)
    if (byPort === undefined) this.#byAddress.set(peer.remoteAddress, (byPort = new Map<number, T>()))
    if (byPort.has(peer.remotePort)) return
    byPort.set(peer.remotePort, peer)
    this.#size++
  }

  /** Takes this very peer out; another in its place stays. */
  delete(peer: T): void {
    const byPort = this.#byAddress.get(peer.remoteAddress)
    if (byPort?.get(peer.remotePort) !== peer) return
    byPort.delete(peer.remotePort)
    this.#size--
    if (byPort.size === 0) this.#byAddress.delete(peer.remoteAddress)
  }

  *values(): Generator<T> {
    for (const byPort of this.#byAddress.values()) yield* byPort.values()
  }
}

/** The one spelling of an IPv6 address that the kernel uses too; anything else as it is. */
export function canonicalAddress(address: string): string {
  return isIPv6(address) ? new SocketAddress({ address, family: 'ipv6' }).address : address
}
