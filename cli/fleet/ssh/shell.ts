import type { Readable } from 'node:stream'
import { CwError } from '../../../lib/kit/errors.ts'

/** How long a command may take unless its caller says otherwise, in milliseconds. */
export const DEFAULT_DEADLINE_MS = 60_000

/** How much of each output stream is kept unless the caller says otherwise, in bytes. */
export const DEFAULT_MAX_OUTPUT = 16 * 1024 * 1024

export interface RunOptions {
  /** What the command reads; the only way by which a secret may reach it. Without it the input is empty. */
  readonly stdin?: string | Buffer | Readable | undefined
  /** As root, by `sudo -n` where the user is another one. */
  readonly sudo?: boolean | undefined
  /** From the call to the exit code, in milliseconds. */
  readonly deadlineMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Each line as it comes, without its end; a last line without an end too. Very long lines come in pieces. */
  readonly onLine?: ((line: string, stream: 'stdout' | 'stderr') => void) | undefined
  /** Bytes kept of each stream. What comes after is read and dropped, and the result says so. */
  readonly maxOutput?: number
  /**
   * The command only looks. It is sent once more when the connection was cut under it; another one is not, since nobody
   * can tell how far it came.
   */
  readonly idempotent?: boolean
}

export interface RunResult {
  /** The exit code; 128 + n when signal n ended it. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** Present when output was longer than `maxOutput`: `stdout` or `stderr` holds only its beginning. */
  readonly truncated?: true
}

export interface FileAccess {
  readonly sudo?: boolean | undefined
  readonly deadlineMs?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface WriteOptions extends FileAccess {
  /** Permission bits, such as 0o640. They never are wider, not even while the file is being written. */
  readonly mode: number
  /** `user` or `user:group`; whoever writes, if absent. */
  readonly owner?: string
}

export interface UploadOptions extends WriteOptions {
  /** Told now and then how many bytes have been sent so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined
}

export interface Forward {
  /** Of 127.0.0.1 on this machine. */
  readonly port: number
  close(): Promise<void>
}

/**
 * What an operation needs of a node. Real: SSH. In unit tests: a shell in a temporary root on this machine.
 *
 * A command that ends with a code other than 0 is a result. These are thrown: NODE_UNREACHABLE (also when the
 * connection is cut under a command), COMMAND_DEADLINE, SUDO_REFUSED, and the reason of an aborted `signal`.
 */
export interface NodeShell {
  readonly node: string
  /** Runs one program with exactly these arguments: they may hold any character but NUL. */
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>
  /** Runs a POSIX shell script; `args` are its `$1`, `$2`…. It may read `stdin` like any program. */
  script(text: string, args?: readonly string[], options?: RunOptions): Promise<RunResult>
  /** A file's bytes, or `undefined` when there is no such file. COMMAND_FAILED when it cannot be read. */
  read(path: string, options?: FileAccess): Promise<Buffer | undefined>
  /** Replaces a file in one step: a reader, or a power cut, sees the old bytes or the new ones. Its folder must exist. */
  write(path: string, content: string | Buffer, options: WriteOptions): Promise<void>
  /** As `write`, with the bytes of a local file that is too large to hold in memory. */
  upload(localFile: string, path: string, options: UploadOptions): Promise<void>
  /** A local port behind which `host:port`, as the node sees it, answers. */
  forward(host: string, port: number): Promise<Forward>
  close(): Promise<void>
}

/** As `run`, for a command that has to succeed: COMMAND_FAILED with what it said when its exit code is not 0. */
export async function mustRun(
  shell: NodeShell,
  argv: readonly string[],
  options?: RunOptions,
): Promise<RunResult> {
  return succeeded(shell.node, argv.join(' '), await shell.run(argv, options))
}

/** As `script`, for one that has to succeed; `what` names it in the error: "writing the unit files". */
export async function mustScript(
  shell: NodeShell,
  what: string,
  text: string,
  args?: readonly string[],
  options?: RunOptions,
): Promise<RunResult> {
  return succeeded(shell.node, what, await shell.script(text, args, options))
}

/** How much of a failed command's own words stands in its error. */
const QUOTED_LINES = 3
const QUOTED_LENGTH = 300

/** The result of a command that had to succeed. @throws CwError COMMAND_FAILED if it did not */
export function succeeded(node: string, what: string, result: RunResult): RunResult {
  if (result.code === 0) return result
  throw new CwError('COMMAND_FAILED', `${shortened(what, 80)} on ${node} failed with code ${result.code}`, {
    where: { host: node },
    why: lastWords(result.stderr) || lastWords(result.stdout) || 'it said nothing',
    changed: 'some',
    remedies: [`look at the node: cw ssh ${node}`],
  })
}

function lastWords(output: string): string {
  return shortened(output.trim().split('\n').slice(-QUOTED_LINES).join(' / '), QUOTED_LENGTH)
}

function shortened(text: string, length: number): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length <= length ? line : `${line.slice(0, length - 1)}…`
}
