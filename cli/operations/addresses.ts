import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { LOOPBACK, LOOPBACK_6 } from '../../lib/kit/address.ts'
import { CwError } from '../../lib/kit/errors.ts'

/** @throws CwError OPTION_INVALID unless the value is an IP address. */
export function requireAddress(option: string, address: string): void {
  if (isIP(address) !== 0) return
  throw new CwError('OPTION_INVALID', `${option} "${address}" is no IP address`, {
    changed: 'nothing',
    remedies: [`give an address of this machine, e.g. ${option} ${LOOPBACK}`],
  })
}

/** What others call an address that is listened on: a wildcard is nothing to send to. */
export function ownAddress(bind: string): string {
  if (!isWildcard(bind)) return bind
  const family = bind === '::' ? 'IPv6' : 'IPv4'
  const addresses = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  const outside = addresses.find(
    each => !each.internal && each.family === family && !each.address.startsWith('fe80:'),
  )
  return outside?.address ?? (family === 'IPv6' ? LOOPBACK_6 : LOOPBACK)
}

/** Where this machine itself reaches an address that is listened on. */
export function reachableHere(bind: string): string {
  if (!isWildcard(bind)) return bind
  return bind === '::' ? LOOPBACK_6 : LOOPBACK
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}
