import { readFileSync } from 'node:fs'

/**
 * What an element does with a message:
 *
 * - a number: answers with this status;
 * - `handled`: treats it as any well-formed message. A request gets whatever its meaning deserves, but neither
 *   silence nor 400, 416, 420 or 505; a response that belongs to no transaction is absorbed without a word;
 * - `dropped`: says nothing and forwards nothing.
 */
export type Outcome = number | 'handled' | 'dropped'

/** What happens instead when the message comes over a stream, where its end is only known from Content-Length. */
export type OverStream =
  /** Is followed by another message, which is handled too. */
  | 'two-messages'
  /** Never becomes complete: the element waits, and gives the connection up in its own time. */
  | 'incomplete'
  /** Its end cannot be known: the element may answer, and closes the connection. */
  | 'unframeable'

/** One torture message, and what is right to do with it. */
export interface TortureCase {
  /** Relative to this folder. */
  readonly file: string
  readonly section: string
  readonly title: string
  readonly start: 'request' | 'response'
  /** Whether our parser gives a message. A refused request is answered if it can be. */
  readonly parse: 'message' | 'refused'
  /** What the RFCs allow, the outcome we chose first. */
  readonly expect: readonly [Outcome, ...Outcome[]]
  readonly overStream?: OverStream
  readonly reason: string
}

/** The octets of a case, exactly as they go over the wire. */
export function loadCase(file: string): Buffer {
  return readFileSync(new URL(file, import.meta.url))
}
