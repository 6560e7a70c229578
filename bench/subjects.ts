import { Core } from '../test/support/core.ts'
import { freePort } from '../test/support/ports.ts'
import { provisionMany, subscriber } from '../test/support/subscribers.ts'
import { processTree } from '../test/support/processes.ts'
import { keepSubjectOnItsCore } from './cores.ts'
import { Kamailio } from './kamailio.ts'

/** What stands under load: a core, or a Kamailio in its place. */
export interface Subject extends AsyncDisposable {
  /** Main processes; what they have started is counted with them. */
  readonly processes: readonly number[]
  /** Port on 127.0.0.1 to which phones send calls. */
  readonly proxyPort: number
  /** Port to which phones register. */
  readonly registrarPort: number
}

export type SubjectName = 'clearwater' | 'kamailio' | 'kamailio chain'

/** How a subject is started; `users` are the names its phones will have. */
export const START: Readonly<Record<SubjectName, (users: readonly string[]) => Promise<Subject>>> = {
  clearwater: startClearwater,
  kamailio: () => startKamailios(1),
  'kamailio chain': () => startKamailios(3),
}

async function startClearwater(users: readonly string[]): Promise<Subject> {
  return subjectOf(await coreWith(users))
}

/** A core that knows these users, with filter criteria or without. */
export async function coreWith(users: readonly string[], criteria?: string): Promise<Core> {
  const core = await Core.start()
  try {
    await provisionMany(core.port('provisioning'), users.map(subscriber), criteria)
    return core
  } catch (error) {
    await core[Symbol.asyncDispose]()
    throw error
  }
}

export function subjectOf(core: Core): Subject {
  keepSubjectOnItsCore(processTree(core.pid))
  return {
    processes: [core.pid],
    proxyPort: core.port('client'),
    registrarPort: core.port('client'),
    [Symbol.asyncDispose]: () => core[Symbol.asyncDispose](),
  }
}

/**
 * Kamailios in a row as a call crosses P-, I- and S-CSCF: each keeps transaction state and stays in the dialog, the
 * last one looks up the callee. Phones register with the last directly, which costs the others nothing.
 */
async function startKamailios(count: number): Promise<Subject> {
  const row: Kamailio[] = []
  const dispose = async (): Promise<void> => {
    for (const kamailio of row) await kamailio[Symbol.asyncDispose]()
  }
  try {
    for (let built = 0; built < count; built++) {
      const next = row[0]?.port ?? 'registered contact'
      row.unshift(await Kamailio.start({ port: await freePort(), next }))
    }
  } catch (error) {
    await dispose()
    throw error
  }
  keepSubjectOnItsCore(row.flatMap(kamailio => processTree(kamailio.pid)))
  const [first, last] = [row[0], row.at(-1)]
  if (!first || !last) throw new Error('a row of no Kamailios')
  return {
    processes: row.map(kamailio => kamailio.pid),
    proxyPort: first.port,
    registrarPort: last.port,
    [Symbol.asyncDispose]: dispose,
  }
}
