import { randomUUID } from 'node:crypto'
import { unitOf } from '../../../lib/config/deployment/daemons.ts'
import type { Deployment, DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import { etcdVoters } from '../../../lib/config/deployment/voters.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { ETCD_DATA_MEMBER } from '../../fleet/actions/etcd-member.ts'
import { connectEtcd } from '../../fleet/etcd.ts'
import { Fleet, forEach, type FleetOptions } from '../../fleet/fleet.ts'
import { holderOf, OperationLock } from '../../fleet/lock.ts'
import { mustScript, type NodeShell } from '../../fleet/ssh/shell.ts'

/** What a voter has of etcd. */
export interface VoterState {
  readonly node: string
  readonly address: string
  readonly state: 'unreachable' | 'without data' | 'has data'
  /** The last change that its copy has, once the copy has been read through without a fault. */
  readonly revision?: number
  readonly why?: string
}

export interface EtcdSurvey {
  /** Whether most of it is there and agrees: then there is nothing to recover. */
  readonly serves: boolean
  readonly voters: readonly VoterState[]
}

/** A copy of the database is read through; etcd may be writing to the database itself. */
const LOOK = String.raw`
[ -d "$1" ] || { echo none; exit 0; }
copy=$(mktemp) && trap 'rm -f "$copy"' EXIT && cp "$1/snap/db" "$copy" || exit 1
if command -v etcdutl >/dev/null; then read_copy=etcdutl; else read_copy=etcdctl; fi
ETCDCTL_API=3 timeout 60 $read_copy snapshot status "$copy" --write-out json
`

/** In a drop-in that is gone with the next boot: set for good, each start would make a cluster of its own. */
const GO_ON_ALONE = String.raw`
drop=/run/systemd/system/$1.d
trap 'rm -rf "$drop"; systemctl daemon-reload' EXIT
mkdir -p "$drop"
printf '[Service]\nEnvironment=ETCD_FORCE_NEW_CLUSTER=true\n' > "$drop/alone.conf"
systemctl daemon-reload
systemctl reset-failed "$1" 2>/dev/null
systemctl stop "$1"
systemctl start "$1"
`
const GO_ON_DEADLINE_MS = 180_000

/** The etcd of a deployment that has lost most of its members. */
export class EtcdRecovery implements AsyncDisposable {
  readonly #deployment: Deployment
  readonly #fleet: Fleet
  readonly #options: FleetOptions

  constructor(deployment: Deployment, options: FleetOptions) {
    this.#deployment = deployment
    this.#fleet = new Fleet(deployment.nodes, options)
    this.#options = options
  }

  /** What is left of it. */
  async survey(): Promise<EtcdSurvey> {
    const [serves, voters] = await Promise.all([this.#serves(), this.#voters()])
    return { serves, voters }
  }

  /** Names of the nodes that can be logged in to. */
  async reachable(): Promise<readonly string[]> {
    const shells = this.#deployment.nodes.map(({ name }) => this.#fleet.shell(name))
    const outcomes = await forEach(shells, shell => shell.run(['true'], { idempotent: true }))
    return outcomes.flatMap(({ node, ok }) => (ok ? [node] : []))
  }

  /**
   * Lets one member go on without the others, with all that it has.
   *
   * @throws CwError LOCKED, UNIT_FAILED
   */
  async goOnFrom(node: string, reachable: readonly string[]): Promise<void> {
    const voters = etcdVoters(this.#deployment).filter(({ name }) => reachable.includes(name))
    const shells = voters.map(({ name }) => this.#fleet.shell(name))
    const lock = await OperationLock.acquire(holderOf(randomUUID(), 'recover etcd'), shells)
    try {
      await mustScript(this.#fleet.shell(node), 'letting etcd go on alone', GO_ON_ALONE, [unitOf('etcd')], {
        sudo: true,
        deadlineMs: GO_ON_DEADLINE_MS,
      })
    } finally {
      await lock.release()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fleet.close()
  }

  async #serves(): Promise<boolean> {
    try {
      await using etcd = await connectEtcd(this.#deployment, { fleet: this.#options })
      await etcd.get('/clearwater/')
      return true
    } catch (error) {
      if (error instanceof CwError) return false
      throw error
    }
  }

  async #voters(): Promise<readonly VoterState[]> {
    const voters = etcdVoters(this.#deployment)
    const outcomes = await forEach(
      voters.map(({ name }) => this.#fleet.shell(name)),
      look,
    )
    return voters.map((voter, index) => {
      const outcome = outcomes[index]
      if (outcome?.ok === true) return { ...nameOf(voter), ...outcome.value }
      return { ...nameOf(voter), state: 'unreachable', why: outcome?.error.message ?? 'it was not asked' }
    })
  }
}

/**
 * The member to go on from: the one that is asked for, else the one whose copy is newest.
 *
 * @throws CwError ETCD_LOST where no copy is left; USAGE where most voters have theirs, or the one that is asked for has none
 */
export function chooseSurvivor(
  { voters }: EtcdSurvey,
  wanted: string | undefined,
): VoterState & { readonly revision: number } {
  const copies = voters.flatMap(voter =>
    voter.revision === undefined ? [] : [{ ...voter, revision: voter.revision }],
  )
  if (copies.length * 2 > voters.length) {
    throw new CwError('USAGE', 'etcd is not lost: most of its members are there, with their data', {
      why: voters.map(wordsOf).join('\n'),
      changed: 'nothing',
      remedies: ['start them: cw restart etcd', 'see what they say: cw logs etcd'],
    })
  }
  const newest = copies.toSorted((a, b) => b.revision - a.revision)[0]
  if (newest === undefined) {
    throw new CwError('ETCD_LOST', 'no member of etcd has its data', {
      why: voters.map(wordsOf).join('\n'),
      changed: 'nothing',
      remedies: [
        'bring back a host, or a disk, that had it',
        'or found it anew, with the settings of the deployment file: cw deploy',
      ],
    })
  }
  if (wanted === undefined) return newest
  const asked = copies.find(({ node }) => node === wanted)
  if (asked !== undefined) return asked
  throw new CwError('USAGE', `${wanted} has no copy of etcd to go on from`, {
    why: voters.map(wordsOf).join('\n'),
    changed: 'nothing',
    remedies: [`go on from the newest: cw recover etcd --from ${newest.node}`],
  })
}

function wordsOf({ node, state, revision, why }: VoterState): string {
  if (revision !== undefined) return `${node}: has everything up to change ${revision}`
  return `${node}: ${why ?? state}`
}

async function look(shell: NodeShell): Promise<Pick<VoterState, 'state' | 'revision' | 'why'>> {
  const { code, stdout, stderr } = await shell.script(LOOK, [ETCD_DATA_MEMBER], {
    sudo: true,
    idempotent: true,
  })
  if (stdout.trim() === 'none') return { state: 'without data' }
  const revision = Number(/"revision":\s*(\d+)/.exec(stdout)?.[1])
  if (code === 0 && Number.isSafeInteger(revision)) return { state: 'has data', revision }
  return { state: 'has data', why: `its copy cannot be read: ${stderr.trim().split('\n').at(-1) ?? ''}` }
}

function nameOf({ name, address }: DeploymentNode): Pick<VoterState, 'node' | 'address'> {
  return { node: name, address }
}
