import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

/*
 * The load and what is measured each have a processor core of their own: on one that they share, each finds its caches
 * filled by the other, and how often the scheduler puts them together is chance.
 */

const LOAD_CORE = '0'
const SUBJECT_CORE = '1'

/** Keeps this process, and with it every load it starts, on one core. */
export function keepLoadOnItsCore(): void {
  pin(process.pid, LOAD_CORE)
}

/** Keeps a subject on the other core: every process it consists of, every thread, and what they start. */
export function keepSubjectOnItsCore(processes: readonly number[]): void {
  for (const pid of processes) pin(pid, SUBJECT_CORE)
}

function pin(pid: number, core: string): void {
  if (availableParallelism() < 2) return
  const pinAll = (): void => {
    execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', core, `${pid}`], { stdio: 'ignore' })
  }
  try {
    pinAll()
  } catch {
    // A thread has ended between its listing and its turn.
    pinAll()
  }
}
