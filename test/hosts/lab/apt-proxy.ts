import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type ListenOptions, type NetConnectOpts, type Server } from 'node:net'
import { join } from 'node:path'
import { freePort } from '../../support/ports.ts'
import { waitUntil } from '../../support/wait.ts'
import { tool } from './command.ts'
import { APT_SOCKET, RUN, STORE } from './environment.ts'

const USER = 'apt-cacher-ng'

/** Where hosts find the proxy, on the test's own address. */
export const APT_PROXY_PORT = 3142

/**
 * apt-cacher-ng with a configuration of ours and a cache that outlives the run.
 *
 * It listens on the machine's 127.0.0.1, which the lab cannot see; a socket file leads there (its own socket file is
 * one that it answers nothing on).
 */
export class AptProxy implements AsyncDisposable {
  readonly url: string
  readonly #process: ChildProcess
  readonly #relay: Relay

  private constructor(url: string, process: ChildProcess, relay: Relay) {
    this.url = url
    this.#process = process
    this.#relay = relay
  }

  static async start(): Promise<AptProxy> {
    const port = await freePort()
    const cache = join(STORE, 'apt')
    const folder = join(RUN, 'apt')
    for (const each of [cache, folder]) makeFolderOf(USER, each)
    writeFileSync(join(folder, 'acng.conf'), await configuration(port, cache, folder))
    const identity = ['--pdeathsig', 'KILL', '--reuid', USER, '--regid', USER, '--clear-groups']
    const child = spawn('setpriv', [...identity, 'apt-cacher-ng', '-c', folder], { stdio: 'ignore' })
    await waitUntil('the apt proxy', async () => {
      if (child.exitCode !== null) return true
      const socket = connect(port, '127.0.0.1')
      await once(socket, 'connect')
      socket.destroy()
      return true
    })
    if (child.exitCode !== null) throw new Error(`apt-cacher-ng ended with ${child.exitCode}`)
    const relay = await Relay.open({ path: APT_SOCKET }, { port, host: '127.0.0.1' })
    return new AptProxy(`http://127.0.0.1:${port}`, child, relay)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#relay[Symbol.asyncDispose]()
    if (this.#process.exitCode !== null) return
    const ended = once(this.#process, 'close')
    this.#process.kill('SIGKILL')
    await ended
  }
}

/** Carries connections from one place to another: the two ends of the way from a host to the apt proxy. */
export class Relay implements AsyncDisposable {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async open(from: ListenOptions, to: NetConnectOpts): Promise<Relay> {
    const server = createServer(client => {
      const proxy = connect(to)
      client.on('error', () => proxy.destroy()).on('close', () => proxy.destroy())
      proxy.on('error', () => client.destroy()).on('close', () => client.destroy())
      client.pipe(proxy).pipe(client)
      // The connections of a host that was killed never end; they must not hold a test open.
      client.unref()
      proxy.unref()
    })
    server.listen(from)
    await once(server, 'listening')
    server.unref()
    return new Relay(server)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
  }
}

async function configuration(port: number, cache: string, folder: string): Promise<string> {
  const lines = [
    `CacheDir: ${cache}`,
    `LogDir: ${folder}`,
    'BindAddress: 127.0.0.1',
    `Port: ${port}`,
    'ForeGround: 1',
    'SupportDir: /usr/lib/apt-cacher-ng',
    // Sources over https cannot be cached, but they shall work.
    'PassThroughPattern: .*',
  ]
  const upstream = await proxyOfTheMachine()
  if (upstream !== undefined) lines.push(`Proxy: ${upstream}`)
  return `${lines.join('\n')}\n`
}

async function proxyOfTheMachine(): Promise<string | undefined> {
  const line = await tool('apt-config', 'shell', 'PROXY', 'Acquire::http::Proxy')
  return /^PROXY='(.+)'$/m.exec(line)?.[1]
}

function makeFolderOf(user: string, folder: string): void {
  const users = readFileSync('/etc/passwd', 'utf8').split('\n')
  const [, , uid = '', gid = ''] = users.find(line => line.startsWith(`${user}:`))?.split(':') ?? []
  mkdirSync(folder, { recursive: true })
  chownSync(folder, Number(uid), Number(gid))
}
