import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { endianness } from 'node:os'
import type { Duplex } from 'node:stream'
import type { Forward } from './shell.ts'

/**
 * A port of 127.0.0.1 each connection to which is joined with one that `reach` makes. Every user of this machine can
 * connect to it: only those of `uid` get further.
 */
export async function openForward(reach: () => Promise<Duplex>, uid = process.getuid?.()): Promise<Forward> {
  const open = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
    uidOfPeer(socket)
      .then(peer => {
        if (peer === undefined || peer !== uid) throw new Error('a connection of another user')
        return reach()
      })
      .then(
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

/** Who made a connection over 127.0.0.1, by the other end of it in proc_net_tcp; `undefined` if that is gone. */
async function uidOfPeer({ remotePort, localPort }: Socket): Promise<number | undefined> {
  const rows = (await readFile('/proc/net/tcp', 'latin1')).split('\n')
  const [from, to] = [endOf(remotePort), endOf(localPort)]
  const fields = rows.map(row => row.trim().split(/\s+/))
  const [, , , , , , , uid] = fields.find(row => row[1] === from && row[2] === to) ?? []
  return uid === undefined ? undefined : Number(uid)
}

/** `127.0.0.1` is written as the machine has it in memory. */
function endOf(port = 0): string {
  const address = endianness() === 'LE' ? '0100007F' : '7F000001'
  return `${address}:${port.toString(16).toUpperCase().padStart(4, '0')}`
}

function join(socket: Socket, far: Duplex): void {
  far.on('error', () => undefined)
  far.on('close', () => socket.destroy())
  socket.on('close', () => far.destroy())
  if (socket.destroyed) far.destroy()
  else socket.pipe(far).pipe(socket)
}
