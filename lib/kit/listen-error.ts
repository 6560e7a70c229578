import { uriHost } from './address.ts'
import { CwError } from './errors.ts'
import { portOwner, type PortOwner } from './port-owner.ts'

/** What could not be bound. */
export interface Binding {
  readonly protocol: 'udp' | 'tcp'
  readonly address: string
  readonly port: number
}

/**
 * Why a port could not be opened, in words its operator can use: PORT_IN_USE (with the process that holds it, where
 * that can be known), PORT_NOT_PERMITTED, ADDRESS_NOT_LOCAL. Any other cause is returned as it came.
 */
export async function listenError(cause: unknown, binding: Binding): Promise<Error> {
  const { address, port } = binding
  const protocol = binding.protocol.toUpperCase()
  const where = { address: `${uriHost(address)}:${port}` }
  switch (cause instanceof Error && 'code' in cause ? cause.code : undefined) {
    case 'EADDRINUSE': {
      const owner = await portOwner(binding.protocol, address, port)
      return new CwError('PORT_IN_USE', `${protocol} port ${port} is already in use`, {
        where,
        why: holder(owner),
        changed: 'nothing',
        remedies: [
          owner?.pid === undefined
            ? 'stop the process that holds it'
            : `stop that process: kill ${owner.pid}`,
          'move all ports of this one: --port-offset 1000',
        ],
        cause,
      })
    }
    case 'EACCES':
      return new CwError('PORT_NOT_PERMITTED', `${protocol} port ${port} may not be opened by this user`, {
        where,
        why: 'ports below 1024 need root or the capability CAP_NET_BIND_SERVICE',
        changed: 'nothing',
        remedies: ['choose a port of 1024 or above', 'grant the capability to the service'],
        cause,
      })
    case 'EADDRNOTAVAIL':
      return new CwError('ADDRESS_NOT_LOCAL', `${address} is not an address of this machine`, {
        where,
        why: `${protocol} port ${port} can only be opened on an address that an interface has`,
        changed: 'nothing',
        remedies: ['see the addresses there are: ip address', 'listen on all of them: 0.0.0.0 or ::'],
        cause,
      })
    default:
      return cause instanceof Error ? cause : new Error(String(cause))
  }
}

function holder(owner: PortOwner | undefined): string {
  if (owner === undefined) return 'another process holds it; which one cannot be seen from here'
  if (owner.pid === undefined) return `a process of user id ${owner.uid} holds it`
  return `process ${owner.pid} (${owner.command ?? 'name unknown'}) holds it`
}
