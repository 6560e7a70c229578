import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { open, type Database, type RootDatabase } from 'lmdb'
import type { Duration } from '../../kit/clock.ts'
import { millis } from '../../kit/clock.ts'
import { CwError } from '../../kit/errors.ts'
import { checkDataFile } from './check-file.ts'
import { isAlive, ownIdentity, type ProcessIdentity } from './process-identity.ts'
import { EmbeddedTable, type TableOptions } from './table.ts'

export interface EmbeddedOptions {
  /** The data directory; created, with its parents, if it does not exist. One process owns it at a time. */
  readonly dir: string
  /**
   * How long a change of urgency `shared` waits for others to share its commit with. A commit costs about
   * 0.1 ms of processor time however many changes it carries.
   */
  readonly commitDelay?: Duration
}

/** `now`: someone waits for this one change. `shared`: it may wait for `commitDelay`. */
export type Urgency = 'now' | 'shared'

const OWNER_KEY = 'owner'
const MAX_TABLES = 32
const DEFAULT_COMMIT_DELAY = millis(5)

interface Batch {
  readonly tables: Set<EmbeddedTable<unknown>>
  readonly done: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
  urgency: Urgency | undefined
}

/**
 * The embedded stores of one process: typed tables over one LMDB environment on disk.
 *
 * All changes that are staged within one turn of the event loop are committed together or not at all, so a method
 * that reads and stages without an `await` in between is a transaction. A commit that has been waited for survives
 * the death of the process; after a power loss the environment is as it was at a commit a moment earlier, whole.
 */
export class EmbeddedEnvironment {
  readonly dir: string
  readonly #root: RootDatabase<string, string>
  readonly #owner: Database<string, string>
  readonly #commitDelay: Duration
  readonly #tables = new Map<string, EmbeddedTable<unknown>>()
  #batch: Batch | undefined
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined
  #latest: Promise<void> = Promise.resolve()
  #closed = false

  constructor(
    dir: string,
    root: RootDatabase<string, string>,
    owner: Database<string, string>,
    delay: Duration,
  ) {
    this.dir = dir
    this.#root = root
    this.#owner = owner
    this.#commitDelay = delay
  }

  /** Opens a table, creating it if need be. The same name always gives the same table. */
  table<V>(name: string, options: TableOptions = {}): EmbeddedTable<V> {
    const opened = this.#tables.get(name)
    // A name stands for one type: its store is the only caller that names it.
    if (opened !== undefined) return opened as unknown as EmbeddedTable<V>
    const database = this.#root.openDB<string, string>({ name, encoding: 'string' })
    const table = new EmbeddedTable<V>(database, changed => this.#stage(changed), options)
    this.#tables.set(name, table as unknown as EmbeddedTable<unknown>)
    return table
  }

  /**
   * Resolves when everything staged so far is committed.
   *
   * @throws CwError STORE_FAILED if it could not be written; the tables then show the state before.
   */
  commit(urgency: Urgency): Promise<void> {
    const batch = this.#batch
    if (batch === undefined) return this.#latest
    if (urgency === 'now' && batch.urgency !== 'now') {
      batch.urgency = 'now'
      this.#immediate = setImmediate(() => this.#flush())
    } else if (batch.urgency === undefined) {
      batch.urgency = 'shared'
      this.#timer = setTimeout(() => this.#flush(), this.#commitDelay)
    }
    return batch.done
  }

  /** Commits what is staged, gives the data directory free and closes it. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#flush()
    await this.#latest.catch(() => undefined)
    this.#owner.removeSync(OWNER_KEY)
    await this.#root.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #stage(table: EmbeddedTable<unknown>): void {
    if (this.#closed) throw new CwError('BUG', `the store in ${this.dir} is used after it was closed`)
    const batch = (this.#batch ??= newBatch())
    batch.tables.add(table)
  }

  #flush(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
    const batch = this.#batch
    if (batch === undefined) return
    this.#batch = undefined
    this.#latest = batch.done

    const settle: ((stored: boolean) => void)[] = []
    let written: Promise<boolean>
    try {
      written = this.#root.batch(() => {
        for (const table of batch.tables) settle.push(table.write())
      })
    } catch (error) {
      written = Promise.reject(error instanceof Error ? error : new Error(String(error)))
    }
    written.then(
      () => {
        for (const each of settle) each(true)
        batch.resolve()
      },
      (error: unknown) => {
        ignoreCommitError(error)
        for (const each of settle) each(false)
        // Told once, to those whose changes it carried; who stages nothing has nothing to lose.
        if (this.#latest === batch.done) this.#latest = Promise.resolve()
        batch.reject(storeFailed(this.dir, error))
      },
    )
  }
}

/**
 * Opens the embedded stores in a data directory.
 *
 * @throws CwError DATA_DIR_LOCKED if a live process owns the directory, DATA_DIR_UNUSABLE if it cannot be created,
 * read or written, or holds something else.
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedEnvironment> {
  const path = join(options.dir, 'store')
  let root: RootDatabase<string, string>
  let owner: Database<string, string>
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 })
    checkDataFile(join(path, 'data.mdb'))
    root = open<string, string>({ path, noSubdir: false, maxDbs: MAX_TABLES, encoding: 'string' })
    owner = root.openDB<string, string>({ name: 'owner', encoding: 'string' })
  } catch (error) {
    throw unusable(options.dir, error)
  }
  const other = takeOwnership(root, owner)
  if (other !== undefined) {
    await root.close()
    throw locked(options.dir, other)
  }
  return new EmbeddedEnvironment(options.dir, root, owner, options.commitDelay ?? DEFAULT_COMMIT_DELAY)
}

/** LMDB's write lock spans processes and ends with its holder: of two that start at once, one sees the other. */
function takeOwnership(
  root: RootDatabase<string, string>,
  owner: Database<string, string>,
): ProcessIdentity | undefined {
  return root.transactionSync(() => {
    const current = readOwner(owner.get(OWNER_KEY))
    if (current !== undefined && isAlive(current)) return current
    owner.putSync(OWNER_KEY, JSON.stringify(ownIdentity()))
    return undefined
  })
}

function readOwner(text: string | undefined): ProcessIdentity | undefined {
  return text === undefined ? undefined : (JSON.parse(text) as ProcessIdentity)
}

function newBatch(): Batch {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>()
  // Who does not wait for a commit does not want to hear of it either.
  promise.catch(() => undefined)
  return { tables: new Set(), done: promise, resolve: () => resolve(undefined), reject, urgency: undefined }
}

/** The driver keeps the cause in a promise of its own, which must not go unhandled. */
function ignoreCommitError(error: unknown): void {
  if (error instanceof Error && 'commitError' in error && error.commitError instanceof Promise)
    error.commitError.catch(() => undefined)
}

function storeFailed(dir: string, cause: unknown): CwError {
  return new CwError('STORE_FAILED', `the store in ${dir} could not be written`, {
    where: { file: dir },
    changed: 'nothing',
    remedies: [`df -h ${dir}`],
    cause,
  })
}

function unusable(dir: string, cause: unknown): CwError {
  return new CwError('DATA_DIR_UNUSABLE', `the data directory ${dir} cannot be used`, {
    where: { file: dir },
    ...(cause instanceof Error ? { why: cause.message } : {}),
    changed: 'nothing',
    remedies: [`ls -ld ${dir}`, 'choose another with --data-dir'],
    cause,
  })
}

function locked(dir: string, owner: ProcessIdentity): CwError {
  const own = owner.pid === process.pid
  const who = own ? 'this process itself' : `process ${owner.pid}`
  return new CwError('DATA_DIR_LOCKED', `the data directory ${dir} is in use by ${who}`, {
    where: { file: dir },
    changed: 'nothing',
    remedies: own ? [] : [`stop process ${owner.pid}`, 'choose another directory with --data-dir'],
  })
}
