import { CwError } from '../../lib/kit/errors.ts'
import { Limiter } from '../../lib/kit/limiter.ts'
import { Dialer, type DialerOptions } from './ssh/dialer.ts'
import type { SshNode } from './ssh/endpoint.ts'
import type { NodeShell } from './ssh/shell.ts'
import { SshShell } from './ssh/ssh-shell.ts'

export type FleetNode = SshNode
export type FleetOptions = DialerOptions

export interface Unreachable {
  readonly node: string
  readonly error: CwError
}

export type NodeOutcome<T> =
  | { readonly node: string; readonly ok: true; readonly value: T }
  | { readonly node: string; readonly ok: false; readonly error: CwError }

export interface ForEachOptions {
  /** How many nodes are worked on at the same time. */
  readonly concurrency?: number
  /** When aborted, nothing new is begun; the task gets it too, to end early if that is safe. */
  readonly signal?: AbortSignal
}

const DEFAULT_CONCURRENCY = 32

/** The nodes of a deployment over SSH: one connection each, made at `open` and again after a cut. */
export class Fleet implements AsyncDisposable {
  readonly #dialer: Dialer
  readonly #shells: ReadonlyMap<string, SshShell>

  constructor(nodes: readonly FleetNode[], options: FleetOptions = {}) {
    this.#dialer = new Dialer(options)
    this.#shells = new Map(nodes.map(node => [node.name, new SshShell(node, this.#dialer)]))
  }

  /** Logs in to all nodes. Those that cannot be reached are told together, each with its reason. */
  async open(
    signal: AbortSignal = new AbortController().signal,
  ): Promise<{ readonly reached: NodeShell[]; readonly unreachable: Unreachable[] }> {
    const reached: NodeShell[] = []
    const unreachable: Unreachable[] = []
    const shells = [...this.#shells.values()]
    const outcomes = await forEach(shells, shell => shell.connect(signal), {
      concurrency: shells.length,
      signal,
    })
    for (const [index, outcome] of outcomes.entries()) {
      const shell = shells[index]
      if (!outcome.ok) unreachable.push({ node: outcome.node, error: outcome.error })
      else if (shell) reached.push(shell)
    }
    return { reached, unreachable }
  }

  /** The shell of a node; it logs in by itself when it is used and `open` has not. */
  shell(name: string): NodeShell {
    const shell = this.#shells.get(name)
    if (shell === undefined) throw new TypeError(`the fleet has no node ${name}`)
    return shell
  }

  /** `forEach` over some of the nodes by name. */
  forEach<T>(
    names: readonly string[],
    task: (shell: NodeShell) => Promise<T>,
    options?: ForEachOptions,
  ): Promise<NodeOutcome<T>[]> {
    return forEach(
      names.map(name => this.shell(name)),
      task,
      options,
    )
  }

  async close(): Promise<void> {
    await Promise.all([...this.#shells.values()].map(shell => shell.close()))
    await this.#dialer.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/**
 * Does something on each node, a few at the same time. All outcomes come back, in the order of the nodes: a node that
 * fails does not end the others. Only CwErrors count as failures of a node; any other is a bug and comes out as it is.
 *
 * Throws the signal's reason if that comes before all have ended.
 */
export async function forEach<S extends NodeShell, T>(
  shells: readonly S[],
  task: (shell: S) => Promise<T>,
  { concurrency = DEFAULT_CONCURRENCY, signal }: ForEachOptions = {},
): Promise<NodeOutcome<T>[]> {
  const places = new Limiter(Math.max(1, concurrency))
  const outcomes = await Promise.allSettled(
    shells.map(shell =>
      places.run(async (): Promise<NodeOutcome<T>> => {
        signal?.throwIfAborted()
        try {
          return { node: shell.node, ok: true, value: await task(shell) }
        } catch (error) {
          if (!(error instanceof CwError)) throw error
          return { node: shell.node, ok: false, error }
        }
      }, signal),
    ),
  )
  // Only now: what had begun has ended.
  return outcomes.map(outcome => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
}
