import { constants } from 'node:os'
import { Readable, type Duplex } from 'node:stream'
import type { Client, ClientChannel, SFTPWrapper } from 'ssh2'
import { CwError } from '../../../lib/kit/errors.ts'
import { Limiter } from '../../../lib/kit/limiter.ts'
import type { Endpoint } from './endpoint.ts'
import { unreachable } from './handshake.ts'

/** sshd allows ten sessions on a connection (MaxSessions) and is slow to notice that one has ended. */
const MAX_CHANNELS = 8

const FAREWELL_MS = 500

/** What a command reads and writes, as bytes. */
export interface Wires {
  /** Sent first. */
  readonly head: string
  /** Sent then, up to its end. */
  readonly stdin: string | Buffer | Readable | undefined
  onStdout(chunk: Buffer): void
  onStderr(chunk: Buffer): void
  readonly signal: AbortSignal
}

/** One SSH connection, logged in. It is not mended: once cut, all that was under way ends with NODE_UNREACHABLE. */
export class Connection {
  readonly endpoint: Endpoint
  readonly #client: Client
  readonly #sock: Duplex
  readonly #channels = new Limiter(MAX_CHANNELS)
  readonly #ended = new AbortController()
  #sftp: Promise<SFTPWrapper | undefined> | undefined

  constructor(endpoint: Endpoint, client: Client, sock: Duplex) {
    this.endpoint = endpoint
    this.#client = client
    this.#sock = sock
    let cause: Error | undefined
    client.on('error', error => {
      cause ??= error
    })
    client.on('close', () => {
      this.#end(cause)
    })
  }

  /** Aborted once the connection is gone, with NODE_UNREACHABLE for a reason. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** Runs a command line through the user's login shell, and returns its exit code: 128 + n for signal n. */
  async exec(command: string, wires: Wires): Promise<number> {
    const release = await this.#place(wires.signal)
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => {
        release()
        reject(this.#reason(error))
      }
      try {
        this.#client.exec(command, (error, channel) => {
          if (error) failed(error)
          else
            attach(channel, wires, release).then(resolve, (cause: unknown) => {
              reject(cause instanceof NoExitCode ? this.#reason(cause) : (cause as Error))
            })
        })
        // The answer to opening it may never come.
        wires.signal.addEventListener('abort', () => {
          reject(wires.signal.reason as Error)
        })
      } catch (error) {
        failed(error as Error)
      }
    })
  }

  /** A TCP connection from the far host to somewhere; sshd does not count it as a session. */
  async forwardOut(host: string, port: number, signal: AbortSignal): Promise<Duplex> {
    signal.throwIfAborted()
    this.#ended.signal.throwIfAborted()
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => {
        reject(signal.reason as Error)
      })
      this.#client.forwardOut('127.0.0.1', 0, host, port, (error, channel) => {
        if (error) reject(this.#ended.signal.aborted ? this.#reason(error) : error)
        else if (signal.aborted) channel.destroy()
        else resolve(channel)
      })
    })
  }

  /** The host's SFTP, opened once and shared; `undefined` where it has none, or its shell talks into it. */
  sftp(): Promise<SFTPWrapper | undefined> {
    return (this.#sftp ??= this.#openSftp())
  }

  /** Ends the connection and all that is under way on it. */
  async close(): Promise<void> {
    if (this.#ended.signal.aborted) return
    const ended = Promise.withResolvers<undefined>()
    this.#ended.signal.addEventListener('abort', () => {
      ended.resolve(undefined)
    })
    this.#client.end()
    // A dead host never says that it is closed too.
    const timer = setTimeout(ended.resolve, FAREWELL_MS, undefined)
    await ended.promise
    clearTimeout(timer)
    this.#sock.destroy()
    this.#end(undefined)
  }

  #end(cause: Error | undefined): void {
    const { name, address } = this.endpoint
    this.#ended.abort(unreachable(name, address, cause?.message ?? 'it was closed', cause, 'some'))
  }

  async #openSftp(): Promise<SFTPWrapper | undefined> {
    const release = await this.#place(this.ended)
    return new Promise(resolve => {
      this.#client.sftp((error, sftp) => {
        // The types do not tell that there is none with an error.
        const opened = error ? undefined : sftp
        opened?.on('error', () => undefined)
        opened?.once('close', () => {
          this.#sftp = undefined
          release()
        })
        if (!opened) release()
        resolve(opened)
      })
    })
  }

  #place(signal: AbortSignal): Promise<() => void> {
    return this.#channels.acquire(AbortSignal.any([signal, this.#ended.signal]))
  }

  /** What to tell of a failed channel: that the connection is gone, if it is. */
  #reason(cause: Error): Error {
    if (this.#ended.signal.aborted) return this.#ended.signal.reason as Error
    const { name, address } = this.endpoint
    return new CwError('COMMAND_FAILED', `${name} did not run a command to its end`, {
      where: { host: name, address },
      why: cause.message,
      changed: 'some',
      cause,
    })
  }
}

class NoExitCode extends Error {
  constructor() {
    super('the SSH channel was closed without an exit code')
  }
}

/** Connects a channel with its wires until the command has ended and all its output has been handed on. */
function attach(channel: ClientChannel, wires: Wires, release: () => void): Promise<number> {
  const { signal, stdin } = wires
  return new Promise((resolve, reject) => {
    let code: number | undefined
    const give = (error: Error): void => {
      reject(error)
      // The place stays taken until the host agrees that the channel is closed.
      channel.signal('TERM')
      channel.close()
    }
    const onAbort = (): void => {
      give(signal.reason as Error)
    }
    channel.on('error', () => undefined)
    channel.on('exit', (status: number | null, name?: string) => {
      code = status ?? 128 + signalNumber(name)
    })
    channel.on('data', (chunk: Buffer) => {
      wires.onStdout(chunk)
    })
    channel.stderr.on('data', (chunk: Buffer) => {
      wires.onStderr(chunk)
    })
    const errorsRead = new Promise<void>(done => channel.stderr.once('close', done))
    channel.once('close', () => {
      release()
      signal.removeEventListener('abort', onAbort)
      if (stdin instanceof Readable) stdin.unpipe(channel).destroy()
      void errorsRead.then(() => {
        if (code === undefined) reject(new NoExitCode())
        else resolve(code)
      })
    })
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) {
      onAbort()
      return
    }
    channel.write(wires.head)
    if (stdin instanceof Readable) stdin.on('error', give).pipe(channel)
    else channel.end(stdin)
  })
}

function signalNumber(name: string | undefined): number {
  return (constants.signals as Readonly<Record<string, number | undefined>>)[name ?? ''] ?? 0
}
