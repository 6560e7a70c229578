import { randomUUID } from 'node:crypto'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import { isUncertain } from '../../../lib/etcd/failure.ts'
import { configurationKey, restartQueueKey } from '../../../lib/etcd/layout.ts'
import { updateRestartQueue } from '../../../lib/etcd/restart-queue.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { readChange, readChanges, recording, type ChangeRecord } from './change-log.ts'
import type { ConfigurationPlan } from './plan.ts'

export interface WriteOptions {
  /** `user@host`. */
  readonly by: string
  readonly what: string
  /** A node that is not healthy after its restart does not stop the others. */
  readonly force: boolean
  readonly now: () => Date
}

/** What was written: the number of the change in each site, and the revision at which it is. */
export interface WrittenChange {
  readonly numbers: ReadonlyMap<string, number>
  readonly revision: number
}

const MOST_TRIES = 5

/**
 * Makes a planned change in etcd: all its files and its record at once, or nothing.
 *
 * @throws CwError CONFIG_CONFLICT if a file is no longer as it was planned upon, ETCD_UNAVAILABLE, ETCD_REFUSED
 */
export async function writeConfiguration(
  etcd: EtcdClient,
  plan: ConfigurationPlan,
  options: WriteOptions,
): Promise<WrittenChange> {
  const sites = [...new Set(plan.files.map(file => file.site))]
  if (plan.nodes.some(node => node.restart.length > 0)) {
    for (const site of sites) {
      await updateRestartQueue(etcd, restartQueueKey(site), queue =>
        queue.force === options.force ? undefined : { ...queue, force: options.force },
      )
    }
  }
  const id = randomUUID()
  // Another change at the same moment may take the number, though it changes other files.
  for (let attempt = 0; attempt < MOST_TRIES; attempt++) {
    const records = await Promise.all(
      sites.map(async site => [site, await nextRecord(etcd, site, plan, id, options)] as const),
    )
    const numbers = new Map(records.map(([site, record]) => [site, record.number]))
    const logged = records.map(([site, record]) => recording(site, record))
    const files = plan.files.map(change => ({ ...change, key: configurationKey(change.site, change.file) }))
    const conditions = files.map(({ key, revision }) => ({ key, revision }))
    const changes = files.map(({ key, after }) => ({ put: key, value: after }))
    try {
      const written = await etcd.txn(
        [...conditions, ...logged.flatMap(each => each.conditions)],
        [...changes, ...logged.flatMap(each => each.changes)],
      )
      if (written.done) return { numbers, revision: written.revision }
    } catch (error) {
      if (!isUncertain(error)) throw error
      const revision = await revisionOfOwn(etcd, numbers, plan, id, error)
      if (revision !== undefined) return { numbers, revision }
    }
    await requireUnchanged(etcd, plan)
  }
  throw conflict(sites.join(', '))
}

async function nextRecord(
  etcd: EtcdClient,
  site: string,
  plan: ConfigurationPlan,
  id: string,
  { by, what, now }: WriteOptions,
): Promise<ChangeRecord> {
  const [last] = await readChanges(etcd, site, 1)
  const before = plan.files.filter(file => file.site === site).map(file => [file.file, file.before] as const)
  return { number: (last?.number ?? 0) + 1, id, at: now().toISOString(), by, what, before: new Map(before) }
}

/** The answer to the transaction was lost: the record tells whether it was made, and the file's revision when. */
async function revisionOfOwn(
  etcd: EtcdClient,
  numbers: ReadonlyMap<string, number>,
  plan: ConfigurationPlan,
  id: string,
  cause: unknown,
): Promise<number | undefined> {
  try {
    const [first] = [...numbers]
    const [file] = plan.files
    if (first === undefined || file === undefined) return undefined
    if ((await readChange(etcd, ...first))?.id !== id) return undefined
    return (await etcd.get(configurationKey(file.site, file.file)))?.revision
  } catch {
    throw new CwError('ETCD_UNAVAILABLE', 'etcd went away while the change was made', {
      why: 'its answer is lost, so it may have been made or not',
      changed: 'some',
      remedies: ['see whether it was made, once etcd is back: cw config history'],
      cause,
    })
  }
}

async function requireUnchanged(etcd: EtcdClient, plan: ConfigurationPlan): Promise<void> {
  for (const { site, file, revision } of plan.files) {
    const found = await etcd.get(configurationKey(site, file))
    if ((found?.revision ?? 0) !== revision) throw conflict(`${file} of ${site}`)
  }
}

function conflict(what: string): CwError {
  return new CwError('CONFIG_CONFLICT', `somebody else has changed ${what} meanwhile`, {
    changed: 'nothing',
    remedies: ['see what was changed: cw config history', 'then do it again'],
  })
}
