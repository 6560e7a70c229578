import { Core } from '../test/support/core.ts'
import { freePort } from '../test/support/ports.ts'
import { cpuSeconds, residentMemory } from '../test/support/processes.ts'
import { provisionMany, subscriber } from '../test/support/subscribers.ts'
import { TempDir } from '../test/support/temp-dir.ts'
import { waitUntil } from '../test/support/wait.ts'
import {
  call,
  cpuMsPerOperation,
  MOST_SOCKETS,
  untilCarried,
  names,
  registerFromOwnAddresses,
  registerParties,
  type CallParties,
  type Load,
} from './load.ts'
import type { SippResult } from '../test/support/sipp.ts'
import { START, subjectOf, type Subject, type SubjectName } from './subjects.ts'

/** A call whose BYE or ACK is lost under too much load ends when its retransmissions do. */
const OVERLOADED_GRACE_MS = 60_000

/** How much of everything a run does. */
export interface Scale {
  readonly repeats: number
  readonly users: number
  readonly registrations: number
  readonly calls: number
  readonly bindings: number
  /** Seconds for which a rate must be held. */
  readonly holdSeconds: number
}

export const FULL: Scale = {
  repeats: 5,
  users: 5000,
  registrations: 10_000,
  calls: 4000,
  bindings: 100_000,
  holdSeconds: 30,
}
export const QUICK: Scale = {
  repeats: 2,
  users: 1000,
  registrations: 4000,
  calls: 1500,
  bindings: 10_000,
  holdSeconds: 8,
}

/** The same for every subject: processor time per operation falls with the rate, as fewer wake-ups are shared by more. */
const REGISTRATIONS_PER_SECOND = 1000
const CALLS_PER_SECOND = 300
/** A server runs for months: what counts is its code when it has been compiled, not how long that took. */
const WARM_UP_ROUNDS = 5
/** As fast as the subject answers: the next comes when one of so many is done. */
const FULL_LOAD = { perSecond: 20_000, inFlight: 50 }
/** What a core takes whose code is not compiled yet: faster, it would rightly refuse some to answer the rest in time. */
const FIRST_LOAD = { operations: 2000, perSecond: 400 }

/** CPU milliseconds for one REGISTER with digest challenge (401, then 200), by how fast they come. */
export interface RegisterCpu {
  /** At the same rate for every subject. Half are new bindings, half renewals. */
  readonly atRate: number
  /** At each subject's own full speed; renewals. */
  readonly atFullLoad: number
}

export async function registerCpu(name: SubjectName, scale: Scale): Promise<RegisterCpu> {
  const parties = registerUsers(scale)
  await using subject = await START[name](Object.values(parties).flat())
  return await registerCpuOf(subject, parties, scale)
}

/** Those who only warm the subject up, and those whose registrations are measured. */
export function registerUsers({ users }: Scale): {
  readonly warmUpUsers: readonly string[]
  readonly users: readonly string[]
} {
  return { warmUpUsers: names('warm', users), users: names('user', users) }
}

/** The same for a subject that stands. */
export async function registerCpuOf(
  subject: Subject,
  { warmUpUsers, users }: ReturnType<typeof registerUsers>,
  scale: Scale,
): Promise<RegisterCpu> {
  const port = await freePort()
  const perSecond = REGISTRATIONS_PER_SECOND
  const warmUp = { users: warmUpUsers, port, firstAddress: users.length }
  const untilWarm = { operations: WARM_UP_ROUNDS * scale.users, ...FULL_LOAD }
  for (const load of [FIRST_LOAD, untilWarm]) {
    await untilCarried(() => registerFromOwnAddresses(subject, warmUp, load))
  }

  const operations = scale.registrations
  const cpuOf = (load: Load): Promise<number> =>
    cpuMsPerOperation(subject, operations, () =>
      registerFromOwnAddresses(subject, { users, port, firstAddress: 0 }, load),
    )
  return {
    atRate: await cpuOf({ operations, perSecond }),
    atFullLoad: await cpuOf({ operations, ...FULL_LOAD }),
  }
}

/** CPU milliseconds for one call, INVITE to the 200 of BYE, between two registered phones. */
export async function callCpu(name: SubjectName, scale: Scale): Promise<number> {
  const parties = await callParties(Math.min(1000, scale.users))
  await using subject = await START[name]([...parties.callers, ...parties.callees])
  return await callCpuOf(subject, parties, scale)
}

/** The same for a subject that stands, and whose users are not registered yet. */
export async function callCpuOf(
  subject: Subject,
  parties: CallParties,
  scale: Scale,
  perSecond = CALLS_PER_SECOND,
): Promise<number> {
  await registerParties(subject, parties)
  const operations = scale.calls
  await untilCarried(() => call(subject, parties, { operations, perSecond }))

  return await cpuMsPerOperation(subject, operations, () => call(subject, parties, { operations, perSecond }))
}

export interface BindingMemory {
  readonly bytes: number
  /** The part of it that only mirrors the store's file. */
  readonly fileBytes: number
}

/** Resident bytes that one binding adds, each from an address, and so a flow, of its own. */
export async function bindingMemory(name: SubjectName, scale: Scale): Promise<BindingMemory> {
  const warmUpUsers = names('warm', 2000)
  const users = names('user', scale.bindings)
  using dir = new TempDir('bench')
  await using subject = await startProvisioned(name, [...warmUpUsers, ...users], dir)
  const port = await freePort()
  const register = async (group: readonly string[], firstAddress: number): Promise<void> => {
    const load = { operations: group.length, ...FULL_LOAD }
    await untilCarried(() => registerFromOwnAddresses(subject, { users: group, port, firstAddress }, load))
  }
  const warmUp = { users: warmUpUsers, port, firstAddress: users.length }
  await untilCarried(() => registerFromOwnAddresses(subject, warmUp, FIRST_LOAD))
  await register(warmUpUsers, users.length)
  const before = residentMemory(subject.processes)
  const batch = Math.min(10_000, MOST_SOCKETS)
  for (let done = 0; done < users.length; done += batch) await register(users.slice(done, done + batch), done)
  const after = residentMemory(subject.processes)
  return {
    bytes: (after.bytes - before.bytes) / users.length,
    fileBytes: (after.fileBytes - before.fileBytes) / users.length,
  }
}

/** Started anew after provisioning, so that what provisioning left in memory is not taken for room already there. */
async function startProvisioned(name: SubjectName, users: readonly string[], dir: TempDir): Promise<Subject> {
  if (name !== 'clearwater') return await START[name](users)
  const provisioning = await Core.start({ dataDir: dir.path })
  try {
    await provisionMany(provisioning.port('provisioning'), users.map(subscriber))
  } finally {
    await provisioning.stop()
  }
  return subjectOf(await Core.start({ dataDir: dir.path }))
}

/** The highest number of REGISTERs with challenge a second that is held without a single retransmission. */
export async function registerRate(name: SubjectName, scale: Scale, report: StepReport): Promise<number> {
  const users = names('user', scale.users)
  await using subject = await START[name](users)
  const port = await freePort()
  return await highestRate(subject, 1000, scale, report, load =>
    registerFromOwnAddresses(subject, { users, port, firstAddress: 0 }, load),
  )
}

/** The highest number of whole calls a second that is held without a single retransmission. */
export async function callRate(name: SubjectName, scale: Scale, report: StepReport): Promise<number> {
  const parties = await callParties(Math.min(1000, scale.users))
  await using subject = await START[name]([...parties.callers, ...parties.callees])
  await registerParties(subject, parties)
  return await highestRate(subject, 200, scale, report, load => call(subject, parties, load))
}

/** Whole calls a second that came through, by how many were offered: the highest rate held first, twice of it last. */
export async function callGoodput(
  scale: Scale,
  report: StepReport,
): Promise<readonly { readonly offered: number; readonly carried: number }[]> {
  const parties = await callParties(Math.min(1000, scale.users))
  await using subject = await START.clearwater([...parties.callers, ...parties.callees])
  await registerParties(subject, parties)
  const held = await highestRate(subject, 200, scale, report, load => call(subject, parties, load))
  const rates = [1, 1.25, 1.5, 2].map(factor => Math.round(held * factor))
  const steps = []
  for (const offered of rates) {
    const operations = offered * scale.holdSeconds
    const load = { operations, perSecond: offered, graceMs: OVERLOADED_GRACE_MS }
    // Not by how long it took: lost ones are waited for long after the last call was offered.
    const { successful } = await call(subject, parties, load)
    steps.push({ offered, carried: successful / scale.holdSeconds })
    await calmDown(subject)
  }
  return steps
}

/** Milliseconds from the start of `cw up` to its ready line, on an empty folder. */
export async function startupMs(): Promise<number> {
  await using core = await Core.start()
  return core.readyAfterMs
}

export type StepReport = (perSecond: number, held: boolean) => void

/** Doubles the rate until it is not held, then closes in on the edge to within a tenth. */
async function highestRate(
  subject: Subject,
  start: number,
  scale: Scale,
  report: StepReport,
  run: (load: Load) => Promise<SippResult>,
): Promise<number> {
  const holds = async (perSecond: number): Promise<boolean> => {
    const load = { operations: perSecond * scale.holdSeconds, perSecond, graceMs: 5000 }
    // A load that does not come to its end in time was not carried.
    const result = await run(load).catch(() => undefined)
    const held = result !== undefined && wasHeld(result, scale.holdSeconds)
    report(perSecond, held)
    if (!held) await calmDown(subject)
    return held
  }
  // One pass in vain: code that has never run is slow.
  await run({ operations: start * 5, perSecond: start })
  let held = 0
  let lost = start
  while (await holds(lost)) {
    held = lost
    lost *= 2
  }
  while (lost - held > Math.max(50, held / 10)) {
    const middle = Math.round((held + lost) / 2)
    if (await holds(middle)) held = middle
    else lost = middle
  }
  return held
}

function wasHeld(result: SippResult, seconds: number): boolean {
  const inTime = result.elapsedMs < seconds * 1000 + 1000
  return result.exitCode === 0 && result.failed === 0 && result.retransmissions === 0 && inTime
}

/** Waits until the subject has worked off what an excessive load has left behind. */
async function calmDown(subject: Subject): Promise<void> {
  let before = cpuSeconds(subject.processes)
  await waitUntil(
    'the subject to calm down',
    async () => {
      await new Promise(resolve => setTimeout(resolve, 1000))
      const now = cpuSeconds(subject.processes)
      const share = now - before
      before = now
      return share < 0.05
    },
    120_000,
  )
}

export async function callParties(count: number): Promise<CallParties> {
  return {
    callers: names('caller', count),
    callees: names('callee', count),
    callerPort: await freePort(),
    calleePort: await freePort(),
  }
}
