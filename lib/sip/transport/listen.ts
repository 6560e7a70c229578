import { once } from 'node:events'
import { isIPv6, type Server } from 'node:net'
import { listenError } from '../../kit/listen-error.ts'

const BACKLOG = 1024

/**
 * Has a server listen on one address of one family.
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED, ADDRESS_NOT_LOCAL
 */
export async function listenAt(server: Server, address: string, port: number): Promise<void> {
  try {
    server.listen({ host: address, port, ipv6Only: isIPv6(address), exclusive: true, backlog: BACKLOG })
    await once(server, 'listening')
  } catch (error) {
    throw await listenError(error, { protocol: 'tcp', address, port })
  }
}
