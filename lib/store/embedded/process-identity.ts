import { readFileSync } from 'node:fs'

/** A process as told apart from any other that has had, or will have, the same process id. */
export interface ProcessIdentity {
  readonly pid: number
  /** Boot and start time of the process; empty where the system does not tell. */
  readonly started: string
}

export function ownIdentity(): ProcessIdentity {
  return { pid: process.pid, started: startOf(process.pid) ?? '' }
}

/** Is this very process still alive? One that was killed -9, or ran before the last boot, is not. */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.started === '') return answersSignals(identity.pid)
  return startOf(identity.pid) === identity.started
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** Boot id and start time in clock ticks since boot (proc(5): field 22 of stat). */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The second field is the command in parentheses, which may hold blanks and parentheses itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const [state, startTicks] = [fields[0], fields[19]]
    if (state === 'Z' || startTicks === undefined) return undefined
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()}/${startTicks}`
  } catch {
    return undefined
  }
}
