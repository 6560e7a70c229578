import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { millis, type Duration } from '../../kit/clock.ts'
import { CwError } from '../../kit/errors.ts'
import { makeFolder, storeFailed, unusable } from './data-dir.ts'
import { isAlive, ownIdentity, type ProcessIdentity } from './process-identity.ts'
import { EmbeddedTable, type TableOptions } from './table.ts'

export interface EmbeddedOptions {
  /** The data directory; created, with its parents, if it does not exist. One process owns it at a time. */
  readonly dir: string
  /**
   * How long a change of urgency `shared` waits at most for others to share its commit with, when commits come
   * faster than this. A commit costs about 0.1 ms of processor time however many changes it carries.
   */
  readonly commitDelay?: Duration
}

/** `now`: someone waits for this one change. `shared`: it may wait for `commitDelay`. */
export type Urgency = 'now' | 'shared'

const OWNER_KEY = 'owner'
const DEFAULT_COMMIT_DELAY = millis(20)
/** The write-ahead log makes a commit one append; NORMAL syncs at its checkpoints, so a power loss breaks nothing. */
const PRAGMAS = `
  PRAGMA busy_timeout = 2000;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA cache_size = -16384;
  PRAGMA wal_autocheckpoint = 8000;
`

interface Batch {
  readonly tables: Set<EmbeddedTable<unknown>>
  readonly done: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
  urgency: Urgency | undefined
}

/**
 * The embedded stores of one process: typed tables in one SQLite database on disk.
 *
 * All changes that are staged within one turn of the event loop are committed together or not at all, so a method
 * that reads and stages without an `await` in between is a transaction. A commit that has been waited for survives
 * the death of the process; after a power loss the database is as it was at a commit a moment earlier, whole.
 */
export class EmbeddedEnvironment {
  readonly dir: string
  readonly #database: DatabaseSync
  readonly #owner: EmbeddedTable<ProcessIdentity>
  readonly #commitDelay: Duration
  readonly #tables = new Map<string, EmbeddedTable<unknown>>()
  #batch: Batch | undefined
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined
  #latest: Promise<void> = Promise.resolve()
  #lastCommit = 0
  #closed = false

  /** @throws CwError DATA_DIR_LOCKED if a live process owns the database */
  constructor(dir: string, database: DatabaseSync, delay: Duration) {
    this.dir = dir
    this.#database = database
    this.#commitDelay = delay
    this.#owner = this.table<ProcessIdentity>('owner')
    this.#takeOwnership()
  }

  /** Opens a table, creating it if need be. The same name always gives the same table. */
  table<V>(name: string, options: TableOptions = {}): EmbeddedTable<V> {
    const opened = this.#tables.get(name)
    // A name stands for one type: its store is the only caller that names it.
    if (opened !== undefined) return opened as unknown as EmbeddedTable<V>
    const table = new EmbeddedTable<V>(this.#database, name, changed => this.#stage(changed), options)
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
      const wait = this.#lastCommit + this.#commitDelay - performance.now()
      if (wait > 1) this.#timer = setTimeout(() => this.#flush(), wait)
      else this.#immediate = setImmediate(() => this.#flush())
    }
    return batch.done
  }

  /** Commits what is staged, gives the data directory free and closes it. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#owner.remove(OWNER_KEY)
    this.#flush()
    this.#closed = true
    await this.#latest.catch(() => undefined)
    this.#database.close()
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
    try {
      this.#transaction(() => {
        for (const table of batch.tables) table.write()
      })
    } catch (error) {
      for (const table of batch.tables) table.settle(false)
      // Told once, to those whose changes it carried; who stages nothing has nothing to lose.
      this.#latest = Promise.resolve()
      batch.reject(storeFailed(this.dir, error))
      return
    }
    this.#lastCommit = performance.now()
    for (const table of batch.tables) table.settle(true)
    batch.resolve()
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#database.exec('COMMIT')
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
      throw error
    }
  }

  /** The transaction spans processes: of two that start at once, one sees the other. */
  #takeOwnership(): void {
    let other: ProcessIdentity | undefined
    this.#transaction(() => {
      const current = this.#owner.get(OWNER_KEY)
      if (current !== undefined && isAlive(current)) other = current
      else {
        this.#owner.set(OWNER_KEY, ownIdentity())
        this.#owner.write()
      }
    })
    this.#owner.settle(other === undefined)
    this.#batch = undefined
    if (other !== undefined) throw locked(this.dir, other)
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
  let database: DatabaseSync | undefined
  try {
    makeFolder(path)
    database = new DatabaseSync(join(path, 'clearwater.db'))
    database.exec(PRAGMAS)
    return new EmbeddedEnvironment(options.dir, database, options.commitDelay ?? DEFAULT_COMMIT_DELAY)
  } catch (error) {
    database?.close()
    throw error instanceof CwError ? error : unusable(options.dir, error)
  }
}

function newBatch(): Batch {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>()
  // Who does not wait for a commit does not want to hear of it either.
  promise.catch(() => undefined)
  return { tables: new Set(), done: promise, resolve: () => resolve(undefined), reject, urgency: undefined }
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
