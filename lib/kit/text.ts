/** Written and read within one call: a buffer for each text would cost more than the copy. */
const scratch = Buffer.allocUnsafeSlow(4096)

/**
 * The same text, independent of what it was cut from or joined of.
 *
 * A piece of a received message holds on to the whole message in memory. What outlives the message (a map's key, a
 * stored identity) is detached from it first.
 *
 * @param text one character an octet, as everything that came over SIP
 */
export function detached<T extends string>(text: T): T {
  if (text.length > scratch.length) return Buffer.from(text, 'latin1').toString('latin1') as T
  return scratch.toString('latin1', 0, scratch.write(text, 'latin1')) as T
}
