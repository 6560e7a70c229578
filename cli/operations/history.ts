import type { Deployment } from '../../lib/config/deployment/deployment.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { connectEtcd } from '../fleet/etcd.ts'
import type { FleetOptions } from '../fleet/fleet.ts'
import {
  journalFolder,
  OPERATION_ID,
  readOperation,
  readOperations,
  type OperationRecord,
} from '../fleet/journal.ts'
import { journalsInEtcd } from './deploy/mirror.ts'

export interface HistoryRequest {
  readonly deployment: Deployment
  readonly fleet: FleetOptions
  /** Only what was started on this machine: no node is asked. */
  readonly localOnly: boolean
  readonly onWarning: (warning: string) => void
}

/** Every operation on a deployment, the newest first: those started here, and those that etcd knows of. */
export async function readHistory(request: HistoryRequest): Promise<readonly OperationRecord[]> {
  const local = readOperations(journalFolder(request.deployment.name))
  const remote = request.localOnly ? [] : await remoteOperations(request)
  const known = new Set(local.map(({ id }) => id))
  // The copy may lag behind: what was started here is told by its own journal.
  return [...local, ...remote.filter(({ id }) => !known.has(id))].toSorted((a, b) => b.at.localeCompare(a.at))
}

/** One of them. @throws OPERATION_UNKNOWN */
export function operationOf(history: readonly OperationRecord[], id: string): OperationRecord {
  const found = history.filter(each => each.id === id || each.id.endsWith(`-${id}`))
  const [only] = found
  if (only !== undefined && found.length === 1) return only
  throw new CwError('OPERATION_UNKNOWN', `no operation ${id} is in the journal`, {
    changed: 'nothing',
    remedies: ['see which there are: cw history'],
  })
}

/** The last operation that did not come to its end. @throws OPERATION_UNKNOWN if there is none */
export function unfinished(history: readonly OperationRecord[]): OperationRecord {
  const [last] = history
  if (last !== undefined && last.outcome !== 'done') return last
  throw new CwError('OPERATION_UNKNOWN', 'no operation is left to resume', {
    why: last === undefined ? 'the journal is empty' : `the last one, ${last.operation} ${last.id}, is done`,
    changed: 'nothing',
  })
}

async function remoteOperations({
  deployment,
  fleet,
  onWarning,
}: HistoryRequest): Promise<readonly OperationRecord[]> {
  try {
    await using etcd = await connectEtcd(deployment, { fleet })
    const told = (await journalsInEtcd(etcd)).flatMap(text => readOperation(text) ?? [])
    return told.filter(({ id }) => OPERATION_ID.test(id))
  } catch (error) {
    if (!(error instanceof CwError)) throw error
    onWarning(`only operations of this machine are shown: ${error.message}`)
    return []
  }
}
