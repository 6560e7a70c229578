import type { Impi } from '../ims/identity.ts'

/** What the network shares with a subscriber's USIM, each in hexadecimal digits (TS 33.102 §6.3). */
export interface AkaKey {
  readonly k: string
  readonly opc: string
  /** Authentication management field, two octets; its highest bit is set for use in IMS and EPS (TS 33.102 Annex H). */
  readonly amf: string
}

/** A sequence number, 48 bits: a counter above five bits of an index (TS 33.102 §C.1.1.1). */
export type Sqn = bigint

/**
 * The keys of subscribers with a USIM, and how far their sequence numbers have come: what an authentication centre
 * keeps. Nobody gets to read a key but who makes vectors of it.
 *
 * Consistency: each method is atomic, and a resolved promise means that the change survives the death of the process.
 */
export interface AkaStore {
  /**
   * Creates or replaces a key.
   *
   * @param sqn the last sequence number that was used; absent: what it was, or 0
   */
  put(impi: Impi, key: AkaKey, sqn?: Sqn): Promise<void>
  remove(impi: Impi): Promise<void>
  /**
   * Takes the next sequence number; no two callers get the same.
   *
   * @param next what follows a number; undefined leaves it as it is
   * @returns the key with the number taken, or undefined if there is no such key or no next number
   */
  advance(
    impi: Impi,
    next: (sqn: Sqn, key: AkaKey) => Sqn | undefined,
  ): Promise<{ readonly key: AkaKey; readonly sqn: Sqn } | undefined>
}
