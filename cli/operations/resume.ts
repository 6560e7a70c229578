import { z } from 'zod'
import type { Deployment } from '../../lib/config/deployment/deployment.ts'
import { CwError } from '../../lib/kit/errors.ts'
import type { ReleaseArtifact } from '../fleet/actions/action.ts'
import type { FleetOptions } from '../fleet/fleet.ts'
import { journalFolder, OPERATION_ID, readOperations, type OperationRecord } from '../fleet/journal.ts'
import { releaseArtifact } from './deploy/artifact.ts'
import type { OperationName, OperationOptions } from './deploy/operate.ts'
import { operationOf, readHistory, unfinished } from './history.ts'

export interface ResumeRequest {
  readonly deployment: Deployment
  /** Absent: the last one. */
  readonly id: string | undefined
  readonly fleet: FleetOptions
  readonly onWarning: (warning: string) => void
}

/** An operation as it was asked for, to be asked for again. */
export interface Resumable {
  readonly operation: OperationName
  readonly options: OperationOptions
  readonly release: ReleaseArtifact | undefined
  readonly record: OperationRecord
}

const optionsSchema = z.strictObject({
  only: z.array(z.string()).optional(),
  overwriteDrift: z.boolean().optional(),
  release: z.string().optional(),
  drain: z.strictObject({ seconds: z.int().min(0), then: z.enum(['wait', 'drop', 'abort']) }).optional(),
  installed: z.strictObject({ version: z.string(), arch: z.string(), sha256: z.string() }).optional(),
})

/**
 * What is to be resumed. The journal of this machine is asked first; the one in etcd where it has none to resume,
 * since another operator may have begun.
 *
 * @throws OPERATION_UNKNOWN
 */
export async function resumable(request: ResumeRequest): Promise<Resumable> {
  const record = await recordOf(request)
  const { operation, id } = record
  if (record.outcome === 'done') {
    throw new CwError('OPERATION_UNKNOWN', `${operation} ${id} is done`, { changed: 'nothing' })
  }
  const options = optionsSchema.safeParse(record.options)
  if ((operation !== 'deploy' && operation !== 'destroy') || !options.success) {
    throw new CwError('OPERATION_UNKNOWN', `${operation} ${id} cannot be resumed by this release`, {
      changed: 'nothing',
      remedies: ['run it again'],
    })
  }
  const { only, overwriteDrift, drain, release, installed } = options.data
  return {
    operation,
    options: {
      ...(only === undefined ? {} : { only }),
      ...(overwriteDrift === undefined ? {} : { overwriteDrift }),
      ...(drain === undefined ? {} : { drain }),
      ...(release === undefined ? {} : { release }),
      ...(installed === undefined ? {} : { installed }),
    },
    release: operation === 'deploy' ? (installed ?? (await releaseArtifact(release))) : undefined,
    record,
  }
}

async function recordOf({ deployment, id, fleet, onWarning }: ResumeRequest): Promise<OperationRecord> {
  const local = readOperations(journalFolder(deployment.name))
  const pick = (history: readonly OperationRecord[]): OperationRecord =>
    id === undefined ? unfinished(history) : operationOf(history, id)
  try {
    return pick(local)
  } catch (error) {
    if (!(error instanceof CwError)) throw error
    const found = pick(await readHistory({ deployment, fleet, localOnly: false, onWarning }))
    return local.some(each => each.id === found.id) ? found : fromElsewhere(found, deployment)
  }
}

/**
 * A record that was not written here: every voter can write one. It may say on which nodes to go on, with which of the
 * releases that lie there, and for how long they drain, but neither name files of this machine nor take the guard off
 * what was edited by hand.
 *
 * @throws OPERATION_UNKNOWN
 */
export function fromElsewhere(record: OperationRecord, { name, file }: Deployment): OperationRecord {
  if (!OPERATION_ID.test(record.id)) {
    throw new CwError('OPERATION_UNKNOWN', 'the journal in etcd has an operation with an id that is none', {
      changed: 'nothing',
    })
  }
  const { only, installed, drain } = record.options
  const options = Object.fromEntries(
    Object.entries({ only, installed, drain }).filter(([, value]) => value !== undefined),
  )
  const own = { id: record.id, deployment: name, file, options }
  const entries = record.entries.map(entry =>
    entry.event === 'operation.started' ? { ...entry, ...own } : entry,
  )
  return { ...record, ...own, entries }
}
