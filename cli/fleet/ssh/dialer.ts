import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { CwError } from '../../../lib/kit/errors.ts'
import { Limiter } from '../../../lib/kit/limiter.ts'
import { orAborted } from './abort.ts'
import { Connection } from './connection.ts'
import { endpointOf, jumpsOf, type Endpoint, type SshNode } from './endpoint.ts'
import { backOff, DEFAULT_TIMING, handshake, openSocket, unreachable, type SshTiming } from './handshake.ts'
import { settleHostKey, type FirstContact } from './host-keys.ts'
import { Identities, type AskPassphrase } from './identities.ts'
import { KnownHosts } from './known-hosts.ts'

/** sshd drops some of more than ten that have not logged in yet (MaxStartups); and handshakes cost us time too. */
const MAX_HANDSHAKES = 8
/** How often a host that closed before it said anything is asked. */
const MAX_ATTEMPTS = 6
/** Hosts that are not there cost no more than a socket, so that they do not hold up those that are. */
const MAX_SOCKETS = 64

const SYSTEM_KNOWN_HOSTS = '/etc/ssh/ssh_known_hosts'

/** How the operator's machine logs in to nodes. Questions to the operator never come two at once. */
export interface DialerOptions extends FirstContact {
  readonly askPassphrase?: AskPassphrase | undefined
  /** Default: `$SSH_AUTH_SOCK`. */
  readonly agentSocket?: string | undefined
  /** Where `.ssh` is. Default: the user's home. */
  readonly home?: string | undefined
  readonly timing?: Partial<SshTiming> | undefined
}

/** Makes connections to nodes, through jump hosts where the deployment says so, and never too many at once. */
export class Dialer {
  readonly #options: DialerOptions
  readonly #home: string
  readonly #timing: SshTiming
  readonly #identities: Identities
  readonly #sockets = new Limiter(MAX_SOCKETS)
  readonly #handshakes = new Limiter(MAX_HANDSHAKES)
  readonly #person = new Limiter(1)
  readonly #knownHosts = new Map<string, Promise<KnownHosts>>()
  readonly #jumps = new Map<string, Promise<Connection>>()
  readonly #lifetime = new AbortController()

  constructor(options: DialerOptions = {}) {
    this.#options = options
    this.#home = options.home ?? homedir()
    this.#timing = { ...DEFAULT_TIMING, ...options.timing }
    const ask = options.askPassphrase
    this.#identities = new Identities({
      agentSocket: 'agentSocket' in options ? options.agentSocket : process.env.SSH_AUTH_SOCK,
      home: this.#home,
      askPassphrase: ask && ((file, attempt) => this.#person.run(() => ask(file, attempt))),
    })
  }

  /**
   * Logs in to a node. Errors: NODE_UNREACHABLE, SSH_AUTH_FAILED, HOST_KEY_UNKNOWN, HOST_KEY_CHANGED, of the node or of
   * the jump host; the signal's reason.
   */
  async dial(node: SshNode, signal: AbortSignal): Promise<Connection> {
    const jumps = jumpsOf(node)
    const endpoint = endpointOf(node)
    if (jumps.length === 0) return this.#logIn(endpoint, undefined, signal)
    return this.#logIn(endpoint, await orAborted(this.#jump(jumps), signal), signal)
  }

  /** Ends the connections to jump hosts, and with them all that go through. */
  async close(): Promise<void> {
    this.#lifetime.abort(new Error('the fleet was closed'))
    const jumps = await Promise.allSettled(this.#jumps.values())
    this.#jumps.clear()
    await Promise.all(jumps.flatMap(each => (each.status === 'fulfilled' ? [each.value.close()] : [])))
  }

  /** The one connection by way of these that all nodes behind them share. It outlives whoever asked for it first. */
  #jump(way: readonly Endpoint[]): Promise<Connection> {
    const key = way.map(({ user, address }) => `${user}@${address}`).join(',')
    const there = this.#jumps.get(key)
    if (there) return there
    const forget = (): void => {
      if (this.#jumps.get(key) === made) this.#jumps.delete(key)
    }
    const made = this.#logInBehind(way)
    this.#jumps.set(key, made)
    made.then(connection => {
      connection.ended.addEventListener('abort', forget)
    }, forget)
    return made
  }

  /** Logs in to the last of these, by way of those before it. */
  async #logInBehind(way: readonly Endpoint[]): Promise<Connection> {
    const before = way.slice(0, -1)
    const last = way[before.length]
    if (last === undefined) throw new CwError('BUG', 'there is no jump host to log in to')
    const through = before.length === 0 ? undefined : await this.#jump(before)
    return this.#logIn(last, through, this.#lifetime.signal)
  }

  async #logIn(
    endpoint: Endpoint,
    through: Connection | undefined,
    signal: AbortSignal,
  ): Promise<Connection> {
    const credentials = await orAborted(
      this.#identities.credentials(endpoint.user, endpoint.identityFile),
      signal,
    )
    const knownHosts = await this.#hostsOf(endpoint)
    const { name, address } = endpoint
    for (let attempt = 0; ; attempt++) {
      const sock = await this.#sockets.run<Duplex>(
        () =>
          through ? this.#tunnel(through, endpoint, signal) : openSocket(endpoint, this.#timing, signal),
        signal,
      )
      const result = await this.#handshakes
        .run(() => handshake(endpoint, sock, credentials, knownHosts, this.#timing, signal), signal)
        .catch((error: unknown) => {
          sock.destroy()
          throw error
        })
      if (result.kind === 'ready') return new Connection(endpoint, result.client, sock)
      if (result.kind === 'turned-away') {
        const why = 'it closes connections before the SSH handshake: too many at once, or sshd is not well'
        if (attempt + 1 === MAX_ATTEMPTS) throw unreachable(name, address, why, result.cause)
        await backOff(attempt, signal)
        continue
      }
      // Nobody is kept waiting while a person compares fingerprints: the host is dialled again afterwards.
      const { key } = result
      await this.#person.run(async () => {
        const verdict = knownHosts.check(endpoint.host, endpoint.port, key)
        await settleHostKey(endpoint, key, verdict, knownHosts, this.#options)
      }, signal)
    }
  }

  async #tunnel(
    through: Connection,
    { name, host, port, address }: Endpoint,
    signal: AbortSignal,
  ): Promise<Duplex> {
    const late = AbortSignal.timeout(this.#timing.connectMs)
    try {
      return await through.forwardOut(host, port, AbortSignal.any([signal, late]))
    } catch (error) {
      if (signal.aborted) throw error
      const why = late.aborted
        ? 'nothing answered in time'
        : error instanceof Error
          ? error.message
          : String(error)
      throw unreachable(name, address, `from ${through.endpoint.name}: ${why}`, error)
    }
  }

  #hostsOf({ knownHosts }: Endpoint): Promise<KnownHosts> {
    const file = knownHosts?.replace(/^~(?=\/)/, this.#home) ?? join(this.#home, '.ssh', 'known_hosts')
    const hosts = this.#knownHosts.get(file) ?? new KnownHosts(file, [SYSTEM_KNOWN_HOSTS]).load()
    this.#knownHosts.set(file, hosts)
    return hosts
  }
}
