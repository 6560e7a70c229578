import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { createReadStream } from 'node:fs'
import { open, readFile, rename } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { CwError } from '../../lib/kit/errors.ts'
import { openForward } from './ssh/forward.ts'
import { Output } from './ssh/output.ts'
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
} from './ssh/shell.ts'

/** Paths that mean this machine's own, wherever the root is. */
const NOT_MAPPED = /^\/(?:dev|proc|bin|usr\/bin)(?:\/|$)/

/**
 * A node for unit tests: commands run on this machine, and files live below `root`.
 *
 * - An argument that is an absolute path means that path below the root; `/dev`, `/proc`, `/bin` and `/usr/bin` do not.
 *   Paths written inside a script's text are not touched: pass them as arguments.
 * - The working folder is the root, and `$PATH` begins with `<root>/usr/local/bin`: place fake programs there.
 * - `sudo` and `owner` are ignored.
 */
export function localShell(root: string, node = 'local'): NodeShell {
  return new LocalShell(root, node)
}

class LocalShell implements NodeShell {
  readonly node: string
  readonly #root: string

  constructor(root: string, node: string) {
    this.#root = root
    this.node = node
  }

  run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const [program = '', ...args] = argv
    return this.#spawn(program, args.map(this.#mapped), options)
  }

  script(text: string, args: readonly string[] = [], options: RunOptions = {}): Promise<RunResult> {
    return this.#spawn('/bin/sh', ['-c', text, 'sh', ...args.map(this.#mapped)], options)
  }

  async read(path: string, _options?: FileAccess): Promise<Buffer | undefined> {
    try {
      return await readFile(this.#mapped(path))
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
      throw this.#failed(`reading ${path}`, error)
    }
  }

  write(path: string, content: string | Buffer, options: WriteOptions): Promise<void> {
    return this.#replace(path, Readable.from([Buffer.from(content)]), options)
  }

  upload(localFile: string, path: string, options: UploadOptions): Promise<void> {
    return this.#replace(path, createReadStream(localFile), options)
  }

  forward(host: string, port: number): Promise<Forward> {
    return openForward(() => Promise.resolve(connect({ port, host, allowHalfOpen: true })))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  readonly #mapped = (argument: string): string =>
    argument.startsWith('/') &&
    !NOT_MAPPED.test(argument) &&
    !`${argument}/`.startsWith(join(this.#root, '/'))
      ? join(this.#root, argument)
      : argument

  async #replace(path: string, content: Readable, options: UploadOptions): Promise<void> {
    const target = this.#mapped(path)
    const fresh = `${target}.new-${process.pid}`
    try {
      const file = await open(fresh, 'w', 0o600)
      let sent = 0
      for await (const chunk of content as AsyncIterable<Buffer>) {
        await file.write(chunk)
        options.onProgress?.((sent += chunk.length))
      }
      await file.chmod(options.mode)
      await file.close()
      await rename(fresh, target)
    } catch (error) {
      throw this.#failed(`writing ${path}`, error)
    }
  }

  async #spawn(program: string, args: readonly string[], options: RunOptions): Promise<RunResult> {
    const limit = options.maxOutput ?? DEFAULT_MAX_OUTPUT
    const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS
    const output = (stream: 'stdout' | 'stderr'): Output =>
      new Output(limit, options.onLine && (line => options.onLine?.(line, stream)))
    const [stdout, stderr] = [output('stdout'), output('stderr')]
    options.signal?.throwIfAborted()

    const child = spawn(program, args, {
      cwd: this.#root,
      env: { ...process.env, PATH: `${join(this.#root, 'usr/local/bin')}:${process.env.PATH ?? ''}` },
      detached: true,
    })
    const kill = (): void => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    }
    const late = AbortSignal.timeout(deadlineMs)
    const stop = AbortSignal.any([late, ...(options.signal ? [options.signal] : [])])
    stop.addEventListener('abort', kill)
    child.stdout.on('data', (chunk: Buffer) => {
      stdout.push(chunk)
    })
    child.stderr.on('data', (chunk: Buffer) => {
      stderr.push(chunk)
    })
    // A program that does not read its input is no error.
    child.stdin.on('error', () => undefined)
    if (options.stdin instanceof Readable) options.stdin.pipe(child.stdin)
    else child.stdin.end(options.stdin)

    try {
      const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
      options.signal?.throwIfAborted()
      if (late.aborted) {
        throw new CwError(
          'COMMAND_DEADLINE',
          `${program} on ${this.node} did not end within ${deadlineMs} ms`,
          {
            where: { host: this.node },
            changed: 'some',
          },
        )
      }
      stdout.end()
      stderr.end()
      return {
        code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]),
        stdout: stdout.text,
        stderr: stderr.text,
        ...(stdout.truncated || stderr.truncated ? { truncated: true } : {}),
      }
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
      return { code: 127, stdout: '', stderr: `sh: ${program}: not found\n` }
    } finally {
      stop.removeEventListener('abort', kill)
    }
  }

  #failed(what: string, cause: unknown): CwError {
    return new CwError('COMMAND_FAILED', `${what} on ${this.node} failed`, {
      where: { host: this.node },
      changed: 'nothing',
      cause,
    })
  }
}
