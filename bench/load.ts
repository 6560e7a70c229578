import { join } from 'node:path'
import { credentialsField, scenario } from '../test/support/sipp-phones.ts'
import { runSipp, Sipp, type SippResult } from '../test/support/sipp.ts'
import { cpuSeconds } from '../test/support/processes.ts'
import type { Subject } from './subjects.ts'

const REGISTER = join(import.meta.dirname, 'scenarios', 'register.xml')

/** Sockets that one SIPp may hold; phones with an address of their own each take one. */
export const MOST_SOCKETS = 15_000

const MOST_ATTEMPTS = 3
/** Until then a subject has worked off what it had been late with. */
const AFTER_A_FAILURE_MS = 5000

/** Callers and callees, each behind a socket of their own, as they stand in the injection files. */
export interface CallParties {
  readonly callers: readonly string[]
  readonly callees: readonly string[]
  readonly callerPort: number
  readonly calleePort: number
}

export interface Load {
  readonly operations: number
  /** At most; fewer where `inFlight` holds it back. */
  readonly perSecond: number
  /** How many may be open at once; absent: any number, so that a subject that is late is seen to be late. */
  readonly inFlight?: number
  /** How long after the last operation was due it may take to finish; then the load counts as lost. */
  readonly graceMs?: number
}

/** Names `prefix0`, `prefix1`, …: letters in front, so that nobody takes them for telephone numbers. */
export function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`)
}

/**
 * Registers users in turn with a digest challenge, each from an address of its own as real phones do.
 *
 * @param firstAddress the users get consecutive addresses of 127.0.0.0/8 from this one on
 */
export async function registerFromOwnAddresses(
  subject: Subject,
  phones: { readonly users: readonly string[]; readonly port: number; readonly firstAddress: number },
  load: Load,
): Promise<SippResult> {
  const rows = phones.users.map(
    (user, index) => `${user};${credentialsField(user)};${loopbackAddress(phones.firstAddress + index)}`,
  )
  return await runSipp({
    ...common(load),
    scenario: REGISTER,
    target: `127.0.0.1:${subject.registrarPort}`,
    localPort: phones.port,
    transport: 'ui',
    rows,
    keys: { port: `${phones.port}` },
    extraArgs: ['-ip_field', '2', '-max_socket', `${MOST_SOCKETS}`],
  })
}

/** Registers all callers from their socket and all callees from theirs. */
export async function registerParties(subject: Subject, parties: CallParties): Promise<void> {
  const sides = [
    { users: parties.callers, localPort: parties.callerPort },
    { users: parties.callees, localPort: parties.calleePort },
  ]
  for (const { users, localPort } of sides) {
    const load = {
      ...common({ operations: users.length, perSecond: 500 }),
      scenario: scenario('register'),
      target: `127.0.0.1:${subject.registrarPort}`,
      localPort,
      rows: users.map(user => `${user};${credentialsField(user)}`),
    }
    await untilCarried(() => runSipp(load))
  }
}

/** Makes calls, callers and callees taking turns. Returns what the callers saw. */
export async function call(subject: Subject, parties: CallParties, load: Load): Promise<SippResult> {
  const target = `127.0.0.1:${subject.proxyPort}`
  await using answering = new Sipp({
    ...common(load),
    scenario: scenario('callee'),
    target,
    localPort: parties.calleePort,
  })
  const result = await runSipp({
    ...common(load),
    scenario: scenario('caller'),
    target,
    localPort: parties.callerPort,
    rows: parties.callers.map((caller, index) => `${caller};${parties.callees[index] ?? ''}`),
  })
  // Callees whose call was lost on the way wait in vain; only clean runs are waited for.
  if (result.failed === 0) await answering.result()
  return result
}

/** Milliseconds of processor time per operation that the subject spent while `work` ran. */
export async function cpuMsPerOperation(
  subject: Subject,
  operations: number,
  work: () => Promise<SippResult>,
): Promise<number> {
  let seconds = 0
  await untilCarried(async () => {
    const before = cpuSeconds(subject.processes)
    const result = await work()
    seconds = cpuSeconds(subject.processes) - before
    return result
  })
  return (seconds * 1000) / operations
}

/**
 * Offers a load until all of it is carried; only that one counts. Where the machine under a virtual one stands still
 * for a moment, overload control refuses some of what has piled up, as it should.
 */
export async function untilCarried(work: () => Promise<SippResult>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const result = await work()
    if (wasCarried(result)) return
    if (attempt === MOST_ATTEMPTS) throw new Error(`the load did not go through: ${result.summary}`)
    console.error(`  ${result.failed} operations failed; once more`)
    await new Promise(resolve => setTimeout(resolve, AFTER_A_FAILURE_MS))
  }
}

function wasCarried({ failed, exitCode }: SippResult): boolean {
  return failed === 0 && exitCode === 0
}

function common(load: Load): {
  calls: number
  callsPerSecond: number
  concurrentCalls: number
  patienceMs: number
} {
  return {
    calls: load.operations,
    callsPerSecond: load.perSecond,
    concurrentCalls: load.inFlight ?? 50_000,
    patienceMs: (load.operations / load.perSecond) * 1000 + (load.graceMs ?? 60_000),
  }
}

/** Addresses from 127.1.0.1 on; the last byte never 0 or 255. */
function loopbackAddress(index: number): string {
  const host = (index % 254) + 1
  const net = Math.floor(index / 254)
  return `127.${1 + Math.floor(net / 256)}.${net % 256}.${host}`
}
