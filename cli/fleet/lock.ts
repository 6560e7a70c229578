import { readFileSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { z } from 'zod'
import type { EtcdClient } from '../../lib/etcd/client.ts'
import type { Lease } from '../../lib/etcd/lease.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { isAlive, ownIdentity } from '../../lib/store/embedded/process-identity.ts'
import { mustScript, type NodeShell } from './ssh/shell.ts'

export const LOCK_KEY = '/clearwater/operations/lock'
/** On voters; gone with a reboot. */
export const LOCK_FOLDER = '/run/clearwater-operation'

const holderSchema = z.object({
  /** Of the operation. */
  id: z.string(),
  operation: z.string(),
  /** `user@host`. */
  by: z.string(),
  /** Id of the machine it runs on (machine-id(5)), as host names may be the same; empty where there is none. */
  machine: z.string().optional(),
  /** ISO 8601. */
  since: z.string(),
  process: z.object({ pid: z.number(), started: z.string() }),
})

/** Who works on a deployment, and at what. */
export type LockHolder = z.infer<typeof holderSchema>

export interface LockTiming {
  /** The lease in etcd ends so long after its holder was last heard of. */
  readonly leaseSeconds: number
  /** A lock folder that was not touched for so long is nobody's any more. */
  readonly staleSeconds: number
  readonly touchSeconds: number
}

const TIMING: LockTiming = { leaseSeconds: 30, staleSeconds: 90, touchSeconds: 20 }

/** This process as the holder of a lock. */
export function holderOf(id: string, operation: string, now = new Date()): LockHolder {
  return {
    ...{ id, operation, by: operator(), machine: machineId() },
    since: now.toISOString(),
    process: ownIdentity(),
  }
}

/** `user@host` of whoever runs this. */
export function operator(): string {
  return `${process.env.SUDO_USER ?? userInfo().username}@${hostname()}`
}

function machineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'latin1').trim()
  } catch {
    return ''
  }
}

/** The rest of the script runs while no other script of this kind does. */
const ALONE = 'exec 9> "$1.flock" && flock -w 30 9 || exit 1'

/**
 * Takes the lock, prints `taken`; or prints `held` and by whom. What is stale, or held by an operation that `$4` names
 * as dead, is taken over. Takers go one after another: who looked before another took it over would take it from that
 * one.
 */
const TAKE = `
${ALONE}
dir=$1; id=$2; stale=$3; dead=$4; holder=$5
put() { printf %s "$holder" > "$dir/holder.new" && printf %s "$id" > "$dir/id" && mv "$dir/holder.new" "$dir/holder"; }
if mkdir "$dir" 2>/dev/null; then put && echo taken; exit; fi
[ "$(cat "$dir/id" 2>/dev/null)" = "$id" ] && { put && echo taken; exit; }
touched=$(stat -c %Y "$dir/holder" 2>/dev/null || stat -c %Y "$dir" 2>/dev/null || echo 0)
if [ $(($(date +%s) - touched)) -ge "$stale" ] || { [ -n "$dead" ] && [ "$(cat "$dir/id")" = "$dead" ]; }; then
  rm -rf "$dir"
  mkdir "$dir" 2>/dev/null && { put && echo taken; exit; }
fi
echo held; cat "$dir/holder" 2>/dev/null
`
const TOUCH = '[ "$(cat "$1/id" 2>/dev/null)" = "$2" ] && touch "$1/holder" && echo ours || echo lost'
const RELEASE = `${ALONE}; [ "$(cat "$1/id" 2>/dev/null)" = "$2" ] && rm -rf "$1"; :`

/**
 * The right to change a deployment, which one operation has at a time: a lease in etcd and, since there is a time before
 * etcd, a folder on each voter. A holder that was killed loses it when its lease ends; on its own machine at once.
 */
export class OperationLock {
  readonly #holder: LockHolder
  readonly #timing: LockTiming
  readonly #lost = new AbortController()
  readonly #shells: NodeShell[] = []
  #lease: Lease | undefined
  #touching: NodeJS.Timeout | undefined

  private constructor(holder: LockHolder, timing: LockTiming) {
    this.#holder = holder
    this.#timing = timing
  }

  /**
   * @param shells voters, as many as can be reached; the lock is held by who holds most of them
   * @throws LOCKED with the holder
   */
  static async acquire(
    holder: LockHolder,
    shells: readonly NodeShell[],
    timing: LockTiming = TIMING,
  ): Promise<OperationLock> {
    const lock = new OperationLock(holder, timing)
    try {
      await lock.#takeFolders(shells)
    } catch (error) {
      await lock.release()
      throw error
    }
    lock.#touching = setInterval(() => void lock.#touch(), timing.touchSeconds * 1000)
    lock.#touching.unref()
    return lock
  }

  /** Aborts when the lock may have become another's: nothing more may be begun. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /**
   * Takes it in etcd too, once there is one.
   *
   * @throws LOCKED with the holder
   */
  async extendTo(etcd: EtcdClient): Promise<void> {
    if (this.#lease !== undefined) return
    const lease = await etcd.grantLease(this.#timing.leaseSeconds)
    try {
      await this.#takeKey(etcd, lease)
    } catch (error) {
      await lease.revoke().catch(() => undefined)
      throw error
    }
    this.#lease = lease
    lease.lost.addEventListener('abort', () => {
      this.#lose()
    })
  }

  /** Gives it back. What cannot be told now ends by itself. */
  async release(): Promise<void> {
    clearInterval(this.#touching)
    await this.#lease?.revoke().catch(() => undefined)
    await Promise.allSettled(
      this.#shells.map(shell => shell.script(RELEASE, [LOCK_FOLDER, this.#holder.id], { sudo: true })),
    )
  }

  async #takeFolders(shells: readonly NodeShell[]): Promise<void> {
    const answers = await Promise.allSettled(shells.map(shell => this.#takeFolder(shell)))
    const told = answers.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
    const [failed] = answers.flatMap(each => (each.status === 'rejected' ? [each.reason as Error] : []))
    if (told.length === 0 && failed !== undefined) throw failed
    const others = told.flatMap(holder => holder ?? [])
    if (others.length * 2 >= told.length && told.length > 0) throw lockedBy(others[0])
  }

  /** Who holds it on that node, if it is not us. */
  async #takeFolder(shell: NodeShell): Promise<LockHolder | 'unknown' | undefined> {
    const first = await this.#tryFolder(shell, '')
    if (first === undefined || first === 'unknown' || !isDead(first)) return first
    return this.#tryFolder(shell, first.id)
  }

  async #tryFolder(shell: NodeShell, dead: string): Promise<LockHolder | 'unknown' | undefined> {
    const { id } = this.#holder
    // Not by its input: that of somebody who was cut off looks as if it had ended there.
    const args = [LOCK_FOLDER, id, String(this.#timing.staleSeconds), dead, JSON.stringify(this.#holder)]
    const { stdout } = await mustScript(shell, 'taking the operation lock', TAKE, args, { sudo: true })
    const [answer, ...rest] = stdout.split('\n')
    if (answer !== 'taken') return parseHolder(rest.join('\n')) ?? 'unknown'
    this.#shells.push(shell)
    return undefined
  }

  async #takeKey(etcd: EtcdClient, lease: Lease): Promise<void> {
    const value = JSON.stringify(this.#holder)
    if ((await etcd.put(LOCK_KEY, value, { ifRevision: 0, lease })).done) return
    const found = await etcd.get(LOCK_KEY)
    const holder = parseHolder(found?.value.toString('utf8') ?? '')
    const ours = holder !== undefined && (holder.id === this.#holder.id || isDead(holder))
    if (found === undefined || ours) {
      const ifRevision = found?.revision ?? 0
      if ((await etcd.put(LOCK_KEY, value, { ifRevision, lease })).done) return
    }
    throw lockedBy(holder ?? 'unknown')
  }

  async #touch(): Promise<void> {
    const answers = await Promise.allSettled(
      this.#shells.map(shell => shell.script(TOUCH, [LOCK_FOLDER, this.#holder.id], { sudo: true })),
    )
    const lost = answers.filter(each => each.status === 'fulfilled' && each.value.stdout.trim() === 'lost')
    if (lost.length * 2 > this.#shells.length) this.#lose()
  }

  #lose(): void {
    this.#lost.abort(new Error('the operation lock was lost'))
  }
}

/** A holder as a lock folder or etcd tells it; `undefined` for what no `cw` has written. */
export function parseHolder(text: string): LockHolder | undefined {
  try {
    return holderSchema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** A process of this very machine that is no more: it needs its lock no longer. */
export function isDead(holder: LockHolder): boolean {
  const machine = machineId()
  const here = machine !== '' && holder.machine === machine
  return here && holder.by.endsWith(`@${hostname()}`) && !isAlive(holder.process)
}

function lockedBy(holder: LockHolder | 'unknown' | undefined): CwError {
  if (holder === undefined || holder === 'unknown') {
    return new CwError('LOCKED', 'another operation is just beginning on this deployment', {
      changed: 'nothing',
      remedies: ['try again in a minute'],
    })
  }
  const { operation, by, since, id } = holder
  return new CwError('LOCKED', `cw ${operation} of ${by} works on this deployment since ${since}`, {
    why: `operation ${id} holds the lock`,
    changed: 'nothing',
    remedies: ['wait for its end', 'if it was killed, its lock ends by itself within two minutes'],
  })
}
