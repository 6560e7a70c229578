import { isIPv6 } from 'node:net'

export const LOOPBACK = '127.0.0.1'
export const LOOPBACK_6 = '::1'

/** An address or a name as the host of a URI: an IPv6 address takes brackets (RFC 3986 §3.2.2). */
export function uriHost(address: string): string {
  return isIPv6(address) ? `[${address}]` : address
}
