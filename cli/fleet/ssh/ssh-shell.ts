import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { CwError } from '../../../lib/kit/errors.ts'
import { orAborted } from './abort.ts'
import type { Connection } from './connection.ts'
import type { Dialer } from './dialer.ts'
import type { SshNode } from './endpoint.ts'
import { NO_SUCH_FILE, READ_FILE, WRITE_FILE } from './file-scripts.ts'
import { openForward } from './forward.ts'
import { Output } from './output.ts'
import { AfterMarker, loginCommand, programLine, scriptLine, shellMarker } from './remote-shell.ts'
import { readBySftp, writeBySftp } from './sftp-files.ts'
import {
  DEFAULT_DEADLINE_MS,
  DEFAULT_MAX_OUTPUT,
  type FileAccess,
  type Forward,
  type NodeShell,
  type RunOptions,
  type RunResult,
  type UploadOptions,
  type WriteOptions,
} from './shell.ts'

/** A file larger than this is not meant to be read into memory. */
const MAX_FILE = 64 * 1024 * 1024

const UPLOAD_DEADLINE_MS = 15 * 60_000

interface Outcome {
  readonly code: number
  readonly stdout: Output
  readonly stderr: Output
}

/**
 * A node over SSH, on one connection that is made when it is first needed, and again after a cut.
 *
 * What was under way at the cut fails; only what merely looks (`read`, `idempotent` commands) is tried once more.
 */
export class SshShell implements NodeShell {
  readonly node: string
  readonly #target: SshNode
  readonly #dialer: Dialer
  readonly #lifetime = new AbortController()
  #connection: Promise<Connection> | undefined

  constructor(target: SshNode, dialer: Dialer) {
    this.node = target.name
    this.#target = target
    this.#dialer = dialer
  }

  /** Logs in, if that has not been done. */
  async connect(signal: AbortSignal): Promise<void> {
    await this.#live(signal)
  }

  run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return this.#command(argv[0] ?? '', programLine(argv), options)
  }

  script(text: string, args: readonly string[] = [], options: RunOptions = {}): Promise<RunResult> {
    return this.#command('a script', scriptLine(text, args), options)
  }

  async read(path: string, options: FileAccess = {}): Promise<Buffer | undefined> {
    const what = `reading ${path}`
    return this.#attempt(what, { ...options, idempotent: true }, async (connection, signal) => {
      const sftp = options.sudo ? undefined : await connection.sftp()
      if (sftp) return this.#filed(what, connection, readBySftp(sftp, path))
      const reading = { sudo: options.sudo, maxOutput: MAX_FILE }
      const { code, stdout, stderr } = await this.#execute(
        connection,
        scriptLine(READ_FILE, [path]),
        reading,
        signal,
      )
      if (code === NO_SUCH_FILE) return undefined
      if (code !== 0) throw this.#failed(what, stderr.text)
      if (stdout.truncated) throw this.#failed(what, `it has more than ${MAX_FILE} bytes`)
      return stdout.bytes
    })
  }

  async write(path: string, content: string | Buffer, options: WriteOptions): Promise<void> {
    const bytes = Buffer.from(content)
    const what = `writing ${path}`
    await this.#attempt(what, options, async (connection, signal) => {
      const sftp = options.sudo || options.owner !== undefined ? undefined : await connection.sftp()
      if (sftp) await this.#filed(what, connection, writeBySftp(sftp, path, bytes, options.mode))
      else await this.#replace(connection, path, bytes, bytes.length, options, signal)
    })
  }

  async upload(localFile: string, path: string, options: UploadOptions): Promise<void> {
    const { size } = await stat(localFile).catch((cause: unknown) => {
      throw new CwError('FILE_UNREADABLE', `${localFile} cannot be read`, {
        where: { file: localFile },
        cause,
      })
    })
    const deadlineMs = options.deadlineMs ?? UPLOAD_DEADLINE_MS
    await this.#attempt(`writing ${path}`, { ...options, deadlineMs }, (connection, signal) =>
      this.#replace(connection, path, counted(localFile, options), size, options, signal),
    )
  }

  forward(host: string, port: number): Promise<Forward> {
    return openForward(async () => {
      const connection = await this.#live(this.#lifetime.signal)
      return connection.forwardOut(host, port, this.#lifetime.signal)
    })
  }

  async close(): Promise<void> {
    const made = this.#connection
    // Ends a login that is under way too.
    this.#lifetime.abort(new Error(`the connection to ${this.node} was closed`))
    const connection = await made?.catch(() => undefined)
    await connection?.close()
  }

  async #command(what: string, line: string, options: RunOptions): Promise<RunResult> {
    const { code, stdout, stderr } = await this.#attempt(what, options, (connection, signal) =>
      this.#execute(connection, line, options, signal),
    )
    const truncated = stdout.truncated || stderr.truncated
    return { code, stdout: stdout.text, stderr: stderr.text, ...(truncated ? { truncated } : {}) }
  }

  /** Does something on the live connection within its deadline; once more after a cut if it only looks. */
  async #attempt<T>(
    what: string,
    options: RunOptions,
    work: (connection: Connection, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS
    const late = AbortSignal.timeout(deadlineMs)
    const signal = AbortSignal.any([late, ...(options.signal ? [options.signal] : [])])
    const progress = { began: false }
    const once = async (): Promise<T> => {
      const connection = await this.#live(signal)
      progress.began = true
      return orAborted(work(connection, signal), signal)
    }
    try {
      return await once().catch((error: unknown) => {
        // Lines that have been told cannot be taken back, and a stream that has been read cannot be sent again.
        const repeatable =
          options.idempotent === true && options.onLine === undefined && !(options.stdin instanceof Readable)
        if (progress.began && repeatable && isCut(error)) return once()
        throw error
      })
    } catch (error) {
      if (!late.aborted || options.signal?.aborted === true) throw error
      throw new CwError(
        'COMMAND_DEADLINE',
        `${what} on ${this.node} did not end within ${deadlineMs / 1000} s`,
        {
          where: { host: this.node },
          why: progress.began ? 'it may still be running there' : 'the node had not let us in by then',
          changed: progress.began ? 'some' : 'nothing',
          remedies: [`look at the node: cw ssh ${this.node}`],
          cause: error,
        },
      )
    }
  }

  async #execute(
    connection: Connection,
    line: string,
    options: RunOptions,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const token = `cw${randomBytes(8).toString('hex')}`
    const limit = options.maxOutput ?? DEFAULT_MAX_OUTPUT
    const stdout = new Output(limit, options.onLine && (text => options.onLine?.(text, 'stdout')))
    const stderr = new Output(limit, options.onLine && (text => options.onLine?.(text, 'stderr')))
    const fromStdout = new AfterMarker(token, chunk => {
      stdout.push(chunk)
    })
    const fromStderr = new AfterMarker(token, chunk => {
      stderr.push(chunk)
    })
    const code = await connection.exec(loginCommand(token, options.sudo ?? false), {
      head: line,
      stdin: options.stdin,
      onStdout: chunk => {
        fromStdout.push(chunk)
      },
      onStderr: chunk => {
        fromStderr.push(chunk)
      },
      signal,
    })
    if (!fromStdout.seen) throw this.#notBegun(token, fromStdout.noise, fromStderr.noise)
    stdout.end()
    stderr.end()
    return { code, stdout, stderr }
  }

  async #replace(
    connection: Connection,
    path: string,
    stdin: Buffer | Readable,
    size: number,
    { mode, owner, sudo }: WriteOptions,
    signal: AbortSignal,
  ): Promise<void> {
    const line = scriptLine(WRITE_FILE, [path, mode.toString(8), owner ?? '', `${size}`])
    const { code, stderr } = await this.#execute(connection, line, { stdin, sudo }, signal)
    if (code !== 0) throw this.#failed(`writing ${path}`, stderr.text)
  }

  /** What SFTP says of a failure, in our words. */
  async #filed<T>(what: string, connection: Connection, work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      if (connection.ended.aborted) throw connection.ended.reason
      throw this.#failed(what, error instanceof Error ? error.message : String(error))
    }
  }

  /** The one connection of all commands, which are free to stop waiting for it. */
  #live(signal: AbortSignal): Promise<Connection> {
    const made = (this.#connection ??= this.#dial())
    return orAborted(made, signal)
  }

  #dial(): Promise<Connection> {
    const forget = (): void => {
      this.#connection = undefined
    }
    const made = this.#dialer.dial(this.#target, this.#lifetime.signal)
    made.then(connection => {
      connection.ended.addEventListener('abort', forget)
    }, forget)
    return made
  }

  /** Our script was never reached: sudo would not, or the login gives no shell. */
  #notBegun(token: string, stdout: string, stderr: string): CwError {
    const { user } = this.#target.ssh
    const where = { host: this.node }
    const [noise = '', sudoSays] = stderr.split(`\n${shellMarker(token)}\n`)
    if (sudoSays !== undefined) {
      return new CwError('SUDO_REFUSED', `${user} may not become root on ${this.node} without a password`, {
        where,
        why: sudoSays.trim().replaceAll(/\s*\n\s*/g, ' / ') || 'sudo did not say why',
        changed: 'nothing',
        remedies: [
          `as root on ${this.node}: echo '${user} ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/${user}`,
          'name a user who may: ssh.user in the deployment file',
        ],
      })
    }
    return new CwError('COMMAND_FAILED', `${this.node} lets ${user} in, but runs no command`, {
      where,
      why: `${noise}\n${stdout}`.trim().replaceAll(/\s*\n\s*/g, ' / ') || 'its login shell ended at once',
      changed: 'nothing',
      remedies: [`give ${user} a login shell: chsh -s /bin/bash ${user}`],
    })
  }

  #failed(what: string, why: string): CwError {
    return new CwError('COMMAND_FAILED', `${what} on ${this.node} failed`, {
      where: { host: this.node },
      why: why.trim(),
      changed: 'nothing',
      remedies: [`look at the node: cw ssh ${this.node}`],
    })
  }
}

/** The connection was cut under a command, as opposed to never made. */
function isCut(error: unknown): boolean {
  return error instanceof CwError && error.code === 'NODE_UNREACHABLE' && error.detail.changed === 'some'
}

/** A file's bytes, told about as they are taken to be sent. */
function counted(file: string, { onProgress }: UploadOptions): Readable {
  return Readable.from(
    (async function* () {
      let bytes = 0
      for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
        yield chunk
        bytes += chunk.length
        onProgress?.(bytes)
      }
    })(),
  )
}
