import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Forward } from './shell.ts'

/** A port of 127.0.0.1 each connection to which is joined with one that `reach` makes. */
export async function openForward(reach: () => Promise<Duplex>): Promise<Forward> {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
    reach().then(
      far => {
        join(socket, far)
      },
      () => socket.destroy(),
    )
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

function join(socket: Socket, far: Duplex): void {
  far.on('error', () => undefined)
  far.on('close', () => socket.destroy())
  socket.on('close', () => far.destroy())
  if (socket.destroyed) far.destroy()
  else socket.pipe(far).pipe(socket)
}
