import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { CORE_PORTS } from '../../lib/config/ports.ts'

/** With the highest port of a core below those of `freePort`, which are below the kernel's for outgoing connections. */
const OFFSETS = { from: 10_000, to: 18_960, step: 40 }

/** An offset at which all ports of one core are free on 127.0.0.1. */
export async function freePortOffset(): Promise<number> {
  const steps = Math.floor((OFFSETS.to - OFFSETS.from) / OFFSETS.step)
  for (let attempt = 0; attempt < 50; attempt++) {
    const offset = OFFSETS.from + OFFSETS.step * Math.floor(Math.random() * steps)
    const free = await Promise.all(Object.values(CORE_PORTS).map(port => isFree(port + offset)))
    if (free.every(Boolean)) return offset
  }
  throw new Error('no port offset found at which all ports of a core are free')
}

/** A port free for UDP and TCP on 127.0.0.1. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = 30_900 + Math.floor(Math.random() * 1800)
    if (await isFree(port)) return port
  }
  throw new Error('no free port found')
}

async function isFree(port: number): Promise<boolean> {
  return (await bindsUdp(port)) && (await bindsTcp(port))
}

async function bindsUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  try {
    socket.bind(port, '127.0.0.1')
    await once(socket, 'listening')
    return true
  } catch {
    return false
  } finally {
    socket.close()
  }
}

async function bindsTcp(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return true
  } catch {
    return false
  }
}
