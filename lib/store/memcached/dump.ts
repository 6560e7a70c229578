import { once } from 'node:events'
import { connect } from 'node:net'
import { MemcachedFailure } from './connection.ts'
import type { ServerAddress } from './cluster-settings.ts'

const QUIET_MS = 5000
/** Another dump is under way: it is asked again after this time, so often. */
const BUSY_PAUSE_MS = 200
const MOST_TRIES = 50
const MAX_LINE = 4096
/** A dump passes over what somebody else is just reading or writing; that this is so twice is not to be expected. */
const PASSES = 2

/**
 * The keys that a server has, expired ones perhaps among them, in no order.
 *
 * @throws MemcachedFailure if it cannot be reached, falls silent, or will not tell
 */
export async function keysOn(
  server: ServerAddress,
  isMeant: (key: string) => boolean,
): Promise<ReadonlySet<string>> {
  const keys = new Set<string>()
  for (let pass = 0; pass < PASSES; pass++) {
    await dump(server, key => {
      if (isMeant(key)) keys.add(key)
    })
  }
  return keys
}

async function dump(server: ServerAddress, onKey: (key: string) => void): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    if (await dumpOnce(server, onKey)) return
    if (attempt === MOST_TRIES) throw new MemcachedFailure(nameOf(server), 'it is busy with other dumps')
    await new Promise(resolve => setTimeout(resolve, BUSY_PAUSE_MS))
  }
}

/** @returns false if the server is busy with another dump */
async function dumpOnce({ host, port }: ServerAddress, onKey: (key: string) => void): Promise<boolean> {
  const fail = (why: string): MemcachedFailure => new MemcachedFailure(nameOf({ host, port }), why)
  const socket = connect({ host, port, noDelay: true })
  socket.setTimeout(QUIET_MS, () => socket.destroy(new Error(`it is silent for ${QUIET_MS} ms`)))
  try {
    await once(socket, 'connect')
    socket.write('lru_crawler metadump all\r\n', 'latin1')
    let rest = ''
    for await (const chunk of socket) {
      const lines = (rest + (chunk as Buffer).toString('latin1')).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > MAX_LINE) throw fail('a line of its dump has no end')
      for (const line of lines) {
        const word = line.trim()
        if (word === 'END') return true
        if (word.startsWith('BUSY')) return false
        const key = keyIn(word)
        if (key === undefined) throw fail(`it answers a dump with ${word.slice(0, 60)}`)
        onKey(key)
      }
    }
    throw fail('it closed the connection before its dump was over')
  } catch (error) {
    throw error instanceof MemcachedFailure
      ? error
      : fail(error instanceof Error ? error.message : String(error))
  } finally {
    socket.destroy()
  }
}

/** The key of one line: `key=reg%5C%5Csip%3A… exp=… la=… cas=…`. */
function keyIn(line: string): string | undefined {
  const match = /^key=(\S+) exp=/.exec(line)
  try {
    return match?.[1] === undefined ? undefined : decodeURIComponent(match[1])
  } catch {
    return undefined
  }
}

function nameOf({ host, port }: ServerAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
