import { CwError } from '../../../lib/kit/errors.ts'
import { mustScript, type NodeShell } from '../ssh/shell.ts'
import {
  OBSERVE_SCRIPT,
  observeArguments,
  probeKey,
  type HostFact,
  type PathFact,
  type Probe,
  type UnitFact,
} from './probe.ts'

const OBSERVE_DEADLINE_MS = 60_000

/** What a node answered. Asking for something that was not a probe is a bug of the caller. */
export class Facts {
  readonly host: HostFact
  readonly #answers: ReadonlyMap<string, readonly string[]>

  constructor(host: HostFact, answers: ReadonlyMap<string, readonly string[]>) {
    this.host = host
    this.#answers = answers
  }

  path(path: string): PathFact {
    const [is, first = '', second = '', third = ''] = this.#answer({ ask: 'path', subject: path })
    switch (is) {
      case 'file':
        return { is, mode: first.padStart(4, '0'), owner: second, sha256: third }
      case 'directory':
        return { is, mode: first.padStart(4, '0'), owner: second }
      case 'link':
        return { is, target: decoded(first).replace(/\n$/, '') }
      case 'absent':
        return { is }
      default:
        return { is: 'other' }
    }
  }

  /** A file's text, or `undefined` when there is none. */
  content(path: string): string | undefined {
    const [is, coded = ''] = this.#answer({ ask: 'content', subject: path })
    return is === 'content' ? decoded(coded) : undefined
  }

  /** The certificates in a file, PEM, or `undefined` when there is no such file. */
  certificate(path: string): string | undefined {
    const [is, coded = ''] = this.#answer({ ask: 'certificate', subject: path })
    return is === 'certificate' ? decoded(coded) : undefined
  }

  isInstalled(name: string): boolean {
    return this.#answer({ ask: 'package', subject: name })[0] === 'installed'
  }

  unit(name: string): UnitFact {
    const words = new Map(
      this.#answer({ ask: 'unit', subject: name }).map(word => {
        const [key = '', value = ''] = word.split('=', 2)
        return [key, value]
      }),
    )
    const state = words.get('ActiveState') ?? 'inactive'
    return {
      known: (words.get('LoadState') ?? 'not-found') !== 'not-found',
      active: state === 'active' || state === 'reloading',
      state,
      enabled: words.get('UnitFileState') === 'enabled' || words.get('UnitFileState') === 'static',
    }
  }

  hasAccount(name: string): boolean {
    return this.#answer({ ask: 'account', subject: name })[0] === 'present'
  }

  /** The status that a URL answered on the node, or `undefined` where nothing did. */
  http(url: string): number | undefined {
    const status = Number(this.#answer({ ask: 'http', subject: url })[0])
    return Number.isInteger(status) ? status : undefined
  }

  /** Did the command end with 0? */
  guard(argv: readonly string[]): boolean {
    return this.#answer({ ask: 'guard', argv })[0] === 'yes'
  }

  #answer(probe: Probe): readonly string[] {
    const answer = this.#answers.get(probeKey(probe))
    if (answer === undefined) throw new CwError('BUG', `nobody asked the node for ${probeKey(probe)}`)
    return answer
  }
}

/** Asks a node about everything in one round trip. */
export async function observe(
  shell: NodeShell,
  probes: readonly Probe[],
  signal?: AbortSignal,
): Promise<Facts> {
  const asked = [...new Map(probes.map(probe => [probeKey(probe), probe])).entries()]
  const { stdout } = await mustScript(
    shell,
    'looking at the node',
    OBSERVE_SCRIPT,
    observeArguments(asked.map(([, probe]) => probe)),
    {
      sudo: true,
      idempotent: true,
      deadlineMs: OBSERVE_DEADLINE_MS,
      ...(signal === undefined ? {} : { signal }),
    },
  )
  // A login script may print what it likes before us.
  const lines = stdout
    .split('\n')
    .filter(line => line.startsWith('cw-fact '))
    .map(line => line.split(' ').slice(1))
  if (lines.at(-1)?.[0] !== 'end') {
    throw new CwError('COMMAND_FAILED', `${shell.node} did not answer all questions`, {
      where: { host: shell.node },
      changed: 'nothing',
    })
  }
  const byIndex = new Map(lines.map(([index = '', ...words]) => [index, words]))
  const [os = 'unknown', osVersion = '', machine = ''] = byIndex.get('host') ?? []
  const answers = new Map(asked.map(([key], index) => [key, byIndex.get(String(index)) ?? []]))
  return new Facts({ os, osVersion, machine }, answers)
}

function decoded(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8')
}
