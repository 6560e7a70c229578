import { readdirSync, readFileSync } from 'node:fs'

/** Linux counts `utime` and `stime` in hundredths of a second whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100

/** The process and all its descendants, oldest first. */
export function processTree(root: number): number[] {
  const children = new Map<number, number[]>()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    const parent = readStat(Number(entry))?.parent
    if (parent === undefined) continue
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)])
  }
  const tree = [root]
  for (const pid of tree) tree.push(...(children.get(pid) ?? []))
  return tree
}

/** Seconds of processor time, user and system, that the trees under `roots` have used so far. */
export function cpuSeconds(roots: readonly number[]): number {
  let ticks = 0
  for (const pid of roots.flatMap(processTree)) ticks += readStat(pid)?.ticks ?? 0
  return ticks / TICKS_PER_SECOND
}

export interface ResidentMemory {
  readonly bytes: number
  /** The part that only mirrors files (programs, memory-mapped stores): the kernel takes it back when it needs it. */
  readonly fileBytes: number
}

/**
 * Memory that the trees under `roots` hold, each shared page counted once (PSS).
 *
 * Summing RSS would count Kamailio's shared memory once per worker.
 */
export function residentMemory(roots: readonly number[]): ResidentMemory {
  let bytes = 0
  let fileBytes = 0
  for (const pid of roots.flatMap(processTree)) {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
    const kilobytes = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)?.[1] ?? 0)
    bytes += kilobytes('Pss') * 1024
    fileBytes += kilobytes('Pss_File') * 1024
  }
  return { bytes, fileBytes }
}

function readStat(pid: number): { parent: number; ticks: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The name in parentheses may hold spaces; everything after it is numbers.
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    const [parent = 0, user = 0, system = 0] = [fields[1], fields[11], fields[12]]
    return { parent, ticks: user + system }
  } catch {
    return undefined
  }
}
