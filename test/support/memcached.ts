import { connect } from 'node:net'
import { once } from 'node:events'
import { Child } from './child.ts'
import { freePort } from './ports.ts'
import { waitUntil } from './wait.ts'

/** Real memcached servers on 127.0.0.1, each a process that can be killed, frozen and started again, empty. */
export class MemcachedServers implements AsyncDisposable {
  readonly addresses: readonly string[]
  readonly #args: readonly string[]
  readonly #children: (Child | undefined)[] = []

  private constructor(addresses: readonly string[], args: readonly string[]) {
    this.addresses = addresses
    this.#args = args
  }

  /** Returns once all answer. @param args of memcached, beside those that say where it listens */
  static async start(count: number, args: readonly string[] = []): Promise<MemcachedServers> {
    const ports = new Set<number>()
    while (ports.size < count) ports.add(await freePort())
    const servers = new MemcachedServers(
      [...ports].map(port => `127.0.0.1:${port}`),
      args,
    )
    await Promise.all(servers.addresses.map((_, index) => servers.run(index)))
    return servers
  }

  /** Starts a server that does not run. It has forgotten everything. */
  async run(index: number): Promise<void> {
    const port = this.#port(index)
    // As root it wants to be told whom to become.
    this.#children[index] = new Child('memcached', [
      '-l',
      '127.0.0.1',
      '-p',
      `${port}`,
      '-U',
      '0',
      '-u',
      'nobody',
      ...this.#args,
    ])
    await waitUntil(`memcached on port ${port}`, async () => {
      const socket = connect(port, '127.0.0.1')
      try {
        await once(socket, 'connect')
        return true
      } finally {
        socket.destroy()
      }
    })
  }

  async kill(index: number): Promise<void> {
    await this.#children[index]?.stop('SIGKILL')
    this.#children[index] = undefined
  }

  freeze(index: number): void {
    this.#children[index]?.signal('SIGSTOP')
  }

  thaw(index: number): void {
    this.#children[index]?.signal('SIGCONT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) await child?.[Symbol.asyncDispose]()
  }

  #port(index: number): number {
    return Number(this.addresses[index]?.split(':')[1])
  }
}
