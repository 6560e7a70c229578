import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import ssh2 from 'ssh2'
import { CwError } from '../../../lib/kit/errors.ts'
import type { Endpoint } from './endpoint.ts'
import type { HostKeyVerdict, KnownHosts } from './known-hosts.ts'
import { hostKeyAlgorithms } from './host-keys.ts'
import type { Credentials } from './identities.ts'

/** How patient a connection is, in milliseconds. */
export interface SshTiming {
  /** Until a host accepts the TCP connection. */
  readonly connectMs: number
  /** From there until we are logged in. */
  readonly handshakeMs: number
  /** Between two questions whether the other side is still there. */
  readonly keepaliveMs: number
  /** So many questions without an answer end the connection. */
  readonly keepaliveCount: number
}

export const DEFAULT_TIMING: SshTiming = {
  connectMs: 10_000,
  handshakeMs: 20_000,
  keepaliveMs: 5_000,
  keepaliveCount: 4,
}

export type HandshakeResult =
  | { readonly kind: 'ready'; readonly client: ssh2.Client }
  /** The host's key is not vouched for; nothing has been sent to it. */
  | { readonly kind: 'doubtful'; readonly key: Buffer; readonly verdict: HostKeyVerdict }
  /** A busy server closed before it said who it is; it may be asked again. */
  | { readonly kind: 'turned-away'; readonly cause: Error }

/** A TCP connection to a host, or NODE_UNREACHABLE with the reason in words. */
export async function openSocket(
  { name, host, port, address }: Endpoint,
  timing: SshTiming,
  signal: AbortSignal,
): Promise<Socket> {
  const late = AbortSignal.timeout(timing.connectMs)
  const stop = AbortSignal.any([signal, late])
  stop.throwIfAborted()
  const socket = connect({ host, port, noDelay: true })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject)
      stop.addEventListener('abort', () => {
        reject(stop.reason as Error)
      })
    })
    return socket
  } catch (error) {
    socket.on('error', () => undefined).destroy()
    if (signal.aborted) throw error
    const why = late.aborted
      ? `nothing answered within ${timing.connectMs / 1000} s: it is switched off, or something drops the packets`
      : inWords(error)
    throw unreachable(name, address, why, error)
  }
}

/** Speaks SSH over a connection until we are logged in. SSH_AUTH_FAILED or NODE_UNREACHABLE when it cannot be. */
export function handshake(
  endpoint: Endpoint,
  sock: Duplex,
  credentials: Credentials,
  knownHosts: KnownHosts,
  timing: SshTiming,
  signal: AbortSignal,
): Promise<HandshakeResult> {
  const { host, port, user, name, address } = endpoint
  if (sock.destroyed) return Promise.resolve({ kind: 'turned-away', cause: new Error('closed at once') })
  const late = AbortSignal.timeout(timing.handshakeMs)
  const stop = AbortSignal.any([signal, late])
  const client = new ssh2.Client()
  return new Promise<HandshakeResult>((resolve, reject) => {
    let shown: { readonly key: Buffer; readonly verdict: HostKeyVerdict } | undefined

    /** The keys have been exchanged: what the host refuses from now on is who we are. */
    let trusted = false

    const abandon = (outcome: () => void): void => {
      stop.removeEventListener('abort', onStop)
      outcome()
      client.destroy()
      sock.destroy()
    }
    const onStop = (): void => {
      abandon(() => {
        const why = `it took the connection and did not finish the SSH handshake within ${timing.handshakeMs / 1000} s`
        reject(signal.aborted ? (signal.reason as Error) : unreachable(name, address, why, late.reason))
      })
    }
    const onFailure = (cause: Error & { readonly level?: string; readonly code?: unknown }): void => {
      // An agent that does not answer is no end: the next key is tried.
      if (cause.level === 'agent') return
      abandon(() => {
        if (shown && shown.verdict.kind !== 'known') resolve({ kind: 'doubtful', ...shown })
        else if (cause.level === 'client-authentication' || (trusted && typeof cause.code === 'number'))
          reject(notAccepted(endpoint, credentials, cause))
        else if (!shown && isTurnedAway(cause)) resolve({ kind: 'turned-away', cause })
        else reject(unreachable(name, address, inWords(cause), cause))
      })
    }

    const onClose = (): void => {
      onFailure(new Error('the connection was closed during the SSH handshake'))
    }

    stop.addEventListener('abort', onStop)
    // There is always a listener: an 'error' without one would end the process.
    client.on('error', onFailure)
    client.on('close', onClose)
    client.once('handshake', () => {
      trusted = true
    })
    client.once('ready', () => {
      stop.removeEventListener('abort', onStop)
      client
        .off('close', onClose)
        .on('error', () => undefined)
        .off('error', onFailure)
      resolve({ kind: 'ready', client })
    })
    try {
      client.connect({
        sock,
        username: user,
        authHandler: [...credentials.methods],
        hostVerifier: (key: Buffer) => {
          shown = { key, verdict: knownHosts.check(host, port, key) }
          return shown.verdict.kind === 'known'
        },
        algorithms: { serverHostKey: hostKeyAlgorithms(knownHosts.keyTypes(host, port)) },
        keepaliveInterval: timing.keepaliveMs,
        keepaliveCountMax: timing.keepaliveCount,
        readyTimeout: 0,
      })
      if (stop.aborted) onStop()
    } catch (error) {
      onFailure(error instanceof Error ? error : new Error(String(error)))
    }
  })
}

/** Waits before a busy server is asked again: longer each time, and not at the same moment as everybody else. */
export async function backOff(attempt: number, signal: AbortSignal): Promise<void> {
  const longest = 200 * 2 ** attempt
  await wait(longest / 2 + (Math.random() * longest) / 2, undefined, { signal })
}

/** A node that does not answer, or not any more. */
export function unreachable(
  name: string,
  address: string,
  why: string,
  cause: unknown,
  changed: 'nothing' | 'some' = 'nothing',
): CwError {
  return new CwError(
    'NODE_UNREACHABLE',
    changed === 'nothing' ? `${name} cannot be reached by SSH` : `the SSH connection to ${name} was cut`,
    {
      where: { host: name, address },
      why,
      changed,
      remedies: ['see whether it is up, and whether the address is right', `try it by hand: cw ssh ${name}`],
      cause,
    },
  )
}

function notAccepted({ name, address, user }: Endpoint, { offered }: Credentials, cause: Error): CwError {
  return new CwError('SSH_AUTH_FAILED', `${name} does not let ${user} in with any key there is`, {
    where: { host: name, address },
    why: `offered: ${offered.join(', ')}`,
    changed: 'nothing',
    remedies: [
      `put the public key on the host: ssh-copy-id -i KEY.pub ${user}@${address.replace(/:\d+$/, '')}`,
      'correct ssh.user or ssh.identityFile in the deployment file',
    ],
    cause,
  })
}

/** sshd drops connections beyond MaxStartups before it says anything. */
function isTurnedAway(cause: { readonly message: string; readonly code?: unknown }): boolean {
  return cause.message === 'Connection lost before handshake' || cause.code === 'ECONNRESET'
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the host is up, but nothing listens on that port: is sshd running?',
  EHOSTUNREACH: 'there is no way to that address from here',
  ENETUNREACH: 'there is no way to that address from here',
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'the name server did not answer',
  ECONNRESET: 'the other side broke the connection off',
  EPIPE: 'the other side broke the connection off',
}

function inWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return REASONS[code] ?? error.message
}
