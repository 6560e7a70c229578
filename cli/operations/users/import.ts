import { open } from 'node:fs/promises'
import { CwError } from '../../../lib/kit/errors.ts'
import { Checkpoint, type Progress } from './checkpoint.ts'
import { formatCsvRow, readCsv, type CsvItem, type CsvRow } from './csv.ts'
import { START } from './lines.ts'
import { ProvisioningClient, type BulkSubscriber, type ProvisioningAddress } from './provisioning-client.ts'
import { credentialsOf } from './subscriber.ts'

/** Subscribers in one request: each is acknowledged as a whole, and the checkpoint moves on after it. */
const BATCH = 1000

/** At most this many faulty lines are remembered to be told. */
const MOST_FAULTS = 100

export interface ImportRequest {
  readonly file: string
  readonly hsprov: ProvisioningAddress
  readonly plaintext: boolean
  /** Pass over faulty lines and refused subscribers; else nothing is sent of a file with a faulty line. */
  readonly keepGoing: boolean
  /** Forget how far an earlier run came. */
  readonly restart: boolean
  /** First write the file with all that was filled in here, and import that. */
  readonly writeCompleted: string | undefined
  readonly signal: AbortSignal
  readonly onProgress: (done: number, total: number) => void
}

export interface LineFault {
  readonly line: number
  readonly why: string
}

export interface ImportReport {
  /** The file that was imported: the completed one, if that was asked for. */
  readonly file: string
  /** Subscribers that the file holds. */
  readonly total: number
  /** Of these, done by an earlier run. */
  readonly resumed: number
  readonly created: number
  readonly updated: number
  readonly unchanged: number
  /** Lines that were passed over: the first ones, and how many. */
  readonly faults: readonly LineFault[]
  readonly failed: number
  readonly error?: CwError
}

/**
 * Imports subscribers from a CSV file in batches. The whole file is read once before anything is sent, so that a faulty
 * line is told while nothing has changed yet.
 */
export async function importUsers(request: ImportRequest): Promise<ImportReport> {
  const checked = await checkFile(request)
  if (checked.faults.count > 0 && !request.keepGoing) throw invalidFile(request.file, checked.faults)
  if (request.writeCompleted !== undefined) await writeCompleted(request, request.writeCompleted)
  const file = request.writeCompleted ?? request.file

  const checkpoint = new Checkpoint(file)
  if (request.restart) await checkpoint.remove()
  const from = await checkpoint.resume()
  const run = new ImportRun(file, checked.rows, checked.faults)
  await using client = await ProvisioningClient.open(request.hsprov)
  try {
    await run.sendAll(client, checkpoint, from, request)
  } catch (error) {
    if (!(error instanceof CwError)) throw error
    return run.report(error)
  }
  if (run.complete) await checkpoint.remove()
  return run.report(run.complete ? undefined : run.interrupted())
}

/** The first faults and the number of all. */
class Faults {
  readonly first: LineFault[] = []
  count = 0

  add(fault: LineFault): void {
    if (this.first.length < MOST_FAULTS) this.first.push(fault)
    this.count++
  }
}

async function checkFile(
  request: ImportRequest,
): Promise<{ readonly rows: number; readonly faults: Faults }> {
  const faults = new Faults()
  let rows = 0
  for await (const item of readCsv(request.file, START)) {
    const why = item.ok ? whyUnusable(item, request) : item.why
    if (why === undefined) rows++
    else faults.add({ line: item.line, why })
  }
  return { rows, faults }
}

function whyUnusable(item: CsvItem & { readonly ok: true }, request: ImportRequest): string | undefined {
  if (!item.madePassword || request.writeCompleted !== undefined) return undefined
  return 'has no password; with --write-completed FILE one is made, and written there'
}

function invalidFile(file: string, { first, count }: Faults): CwError {
  const told = first.slice(0, 10).map(({ line, why }) => `line ${line}: ${why}`)
  const more = count > told.length ? [`and ${count - told.length} more`] : []
  return new CwError(
    'FILE_INVALID',
    `${count} ${count === 1 ? 'line' : 'lines'} of the file cannot be imported`,
    {
      where: { file, ...(first[0] === undefined ? {} : { line: first[0].line }) },
      why: [...told, ...more].join('; '),
      changed: 'nothing',
      remedies: ['mend the lines', 'or pass over them: --keep-going'],
    },
  )
}

/** Every password is on disk before the first one is used. Only the owner may read the file. */
async function writeCompleted(request: ImportRequest, target: string): Promise<void> {
  const handle = await open(target, 'wx', 0o600).catch((cause: unknown) => {
    throw new CwError('OPTION_INVALID', 'the completed file cannot be written', {
      where: { file: target },
      changed: 'nothing',
      remedies: [`if an earlier run wrote it, go on with: cw user import ${target}`, 'or name a new file'],
      cause,
    })
  })
  try {
    let lines: string[] = []
    for await (const item of readCsv(request.file, START)) {
      if (item.ok) lines.push(formatCsvRow(item.row))
      if (lines.length < BATCH) continue
      await handle.write(`${lines.join('\n')}\n`)
      lines = []
    }
    if (lines.length > 0) await handle.write(`${lines.join('\n')}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Sends a file batch by batch and counts what became of it. */
class ImportRun {
  readonly #file: string
  readonly #total: number
  readonly #faults: Faults
  readonly #counts = { created: 0, updated: 0, unchanged: 0 }
  #resumed = 0
  #failed: number
  #ended = false

  constructor(file: string, total: number, faults: Faults) {
    this.#file = file
    this.#total = total
    this.#faults = faults
    this.#failed = faults.count
  }

  get complete(): boolean {
    return this.#ended
  }

  async sendAll(
    client: ProvisioningClient,
    checkpoint: Checkpoint,
    from: Progress,
    request: ImportRequest,
  ): Promise<void> {
    this.#resumed = from.rows
    let sent = from.rows
    let batch: (CsvItem & { readonly ok: true })[] = []
    const send = async (): Promise<void> => {
      const last = batch.at(-1)
      if (last === undefined) return
      await this.#sendBatch(client, batch, request)
      sent += batch.length
      await checkpoint.save({ ...last.end, rows: sent })
      batch = []
      request.onProgress(this.#done, this.#total)
    }
    for await (const item of readCsv(this.#file, from)) {
      if (!item.ok || whyUnusable(item, { ...request, writeCompleted: undefined }) !== undefined) continue
      batch.push(item)
      if (batch.length < BATCH) continue
      await send()
      if (request.signal.aborted) return
    }
    await send()
    this.#ended = true
  }

  async #sendBatch(
    client: ProvisioningClient,
    batch: readonly (CsvItem & { readonly ok: true })[],
    request: ImportRequest,
  ): Promise<void> {
    const outcomes = await client.putSubscribers(batch.map(({ row }) => toBulk(row, request.plaintext)))
    let refused: LineFault | undefined
    batch.forEach(({ line, row }, index) => {
      const outcome = outcomes[index]
      if (outcome?.ok === true) {
        this.#counts[outcome.result]++
        return
      }
      const fault = {
        line,
        why: `${row.public_id}: ${outcome?.why ?? 'homestead-prov did not say what became of it'}`,
      }
      refused ??= fault
      this.#failed++
      this.#faults.add(fault)
    })
    if (refused === undefined || request.keepGoing) return
    throw new CwError('IMPORT_INCOMPLETE', `a subscriber was refused`, {
      where: { file: this.#file, line: refused.line },
      why: refused.why,
      changed: 'some',
      remedies: [`mend the line, then go on with: ${this.#again}`, 'or pass over such lines: --keep-going'],
    })
  }

  interrupted(): CwError {
    return new CwError('INTERRUPTED', `interrupted after ${this.#done} of ${this.#total} subscribers`, {
      where: { file: this.#file },
      changed: this.#done > 0 ? 'some' : 'nothing',
      remedies: [`go on with: ${this.#again}`],
    })
  }

  report(error: CwError | undefined): ImportReport {
    const why = error === undefined ? this.#passedOver() : this.#resumable(error)
    return {
      file: this.#file,
      total: this.#total,
      resumed: this.#resumed,
      ...this.#counts,
      faults: this.#faults.first,
      failed: this.#failed,
      ...(why === undefined ? {} : { error: why }),
    }
  }

  get #done(): number {
    const { created, updated, unchanged } = this.#counts
    return this.#resumed + created + updated + unchanged
  }

  get #again(): string {
    return `cw user import ${this.#file}`
  }

  #passedOver(): CwError | undefined {
    if (this.#failed === 0) return undefined
    const told = this.#faults.first.slice(0, 10).map(({ line, why }) => `line ${line}: ${why}`)
    return new CwError('IMPORT_INCOMPLETE', `${this.#failed} lines were passed over`, {
      where: { file: this.#file },
      why: told.join('; '),
      changed: this.#done > 0 ? 'some' : 'nothing',
      remedies: ['mend the lines and import them again'],
    })
  }

  /** What breaks off an import in its middle leaves it resumable. */
  #resumable(error: CwError): CwError {
    if (error.code === 'IMPORT_INCOMPLETE' || error.code === 'INTERRUPTED') return error
    return new CwError(error.code, error.message, {
      ...error.detail,
      changed: this.#done > 0 ? 'some' : 'nothing',
      remedies: [...(error.detail.remedies ?? []), `then go on with: ${this.#again}`],
    })
  }
}

function toBulk(row: CsvRow, plaintext: boolean): BulkSubscriber {
  const { public_id, private_id, realm, password } = row
  return {
    public_id,
    private_id,
    ...credentialsOf({ impi: private_id, domain: realm }, { password, plaintext }),
  }
}
