import { statfsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Impu } from '../../ims/identity.ts'
import { minutes, type Clock, type Duration, type Timer } from '../../kit/clock.ts'
import { CwError } from '../../kit/errors.ts'
import { columnOf, fragmentOf, type CallFragment, type CallListStore } from '../call-list-store.ts'
import { makeFolder, storeFailed, unusable } from './data-dir.ts'

/** The most that call lists may take on disk. */
export type DiskLimit = { readonly bytes: number } | { readonly percentOfDisk: number }

export interface CallListsOptions {
  /** Folder of the database; created, with its parents, if it does not exist. */
  readonly dir: string
  readonly clock: Clock
  /**
   * `write`: the one process that writes, which also clears away what has expired and what is beyond the limit.
   * `read`: any other beside it. It sees what is committed, and neither holds up the other.
   */
  readonly access: 'write' | 'read'
  /** Beyond it the oldest fragments go. Absent: there is none. */
  readonly diskLimit?: DiskLimit
}

const SWEEP_EVERY = minutes(5)
/** Rows that a sweep removes in one turn of the event loop. */
const SLICE = 500
/** What is beyond the limit goes down to this part of it, so that not every sweep has to. */
const REFILL = 0.9
const PAGES_GIVEN_BACK = 2000

/**
 * A writer never waits for a lock, since calls would wait with it: who records has a queue. To create the tables, and to
 * read while a log is taken over from a process that died, waiting is right.
 */
const PRAGMAS = `
  PRAGMA busy_timeout = 2000;
  PRAGMA auto_vacuum = INCREMENTAL;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA cache_size = -4096;
`
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS call_lists (
    impu TEXT NOT NULL, name TEXT NOT NULL, xml TEXT NOT NULL, expires_at INTEGER NOT NULL,
    PRIMARY KEY (impu, name)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS call_lists_expiry ON call_lists (expires_at);
`

type Change = () => void

interface Batch {
  readonly changes: Change[]
  readonly done: PromiseWithResolvers<undefined>
}

/**
 * Call lists in a database of their own, since two processes share it: sprout, which records calls, and the call-list
 * server on the same node. Rows are as in the Cassandra table of the same name, a row here being a column there.
 *
 * What is added within one turn of the event loop is committed together.
 */
export class EmbeddedCallLists implements CallListStore {
  readonly #dir: string
  readonly #clock: Clock
  readonly #database: DatabaseSync
  readonly #diskLimit: DiskLimit | undefined
  readonly #select: StatementSync
  readonly #upsert: StatementSync
  readonly #delete: StatementSync
  readonly #deleteOldest: StatementSync
  #batch: Batch | undefined
  #sweep: Timer | undefined
  #closed = false

  constructor(options: CallListsOptions, database: DatabaseSync) {
    this.#dir = options.dir
    this.#clock = options.clock
    this.#database = database
    this.#diskLimit = options.diskLimit
    this.#select = database.prepare(
      'SELECT name, xml FROM call_lists WHERE impu = ? AND expires_at > ? ORDER BY name',
    )
    this.#upsert = database.prepare(
      'INSERT INTO call_lists VALUES (?, ?, ?, ?) ON CONFLICT (impu, name) ' +
        'DO UPDATE SET xml = excluded.xml, expires_at = excluded.expires_at',
    )
    this.#delete = database.prepare('DELETE FROM call_lists WHERE impu = ? AND name = ?')
    this.#deleteOldest = database.prepare(
      'DELETE FROM call_lists WHERE (impu, name) IN ' +
        '(SELECT impu, name FROM call_lists WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)',
    )
    if (options.access === 'write') this.#sweepLater()
  }

  async add(impu: Impu, fragment: CallFragment, ttl: Duration): Promise<void> {
    const expiresAt = Math.floor(this.#clock.now() + ttl)
    return this.#stage(() => this.#upsert.run(impu, columnOf(fragment), fragment.xml, expiresAt))
  }

  async fragments(impu: Impu): Promise<readonly CallFragment[]> {
    let rows: readonly unknown[]
    try {
      rows = this.#select.all(impu, Math.floor(this.#clock.now()))
    } catch (error) {
      throw new CwError('STORE_FAILED', `the store in ${this.#dir} could not be read`, {
        where: { file: this.#dir },
        changed: 'nothing',
        cause: error,
      })
    }
    return (rows as readonly Row[]).flatMap(({ name, xml }) => fragmentOf(name, xml) ?? [])
  }

  async remove(impu: Impu, fragments: readonly CallFragment[]): Promise<void> {
    if (fragments.length === 0) return
    return this.#stage(() => {
      for (const fragment of fragments) this.#delete.run(impu, columnOf(fragment))
    })
  }

  /** What the fragments take on disk, in octets, without what is free to be written again. */
  get usedBytes(): number {
    return (this.#pragma('page_count') - this.#pragma('freelist_count')) * this.#pragma('page_size')
  }

  /**
   * Removes what has expired and, beyond the limit, what would expire next. The writer does so by itself every five
   * minutes.
   *
   * @returns how many fragments are gone
   */
  async sweep(): Promise<number> {
    let removed = await this.#removeWhile(Math.floor(this.#clock.now()), () => true)
    const limit = this.#limitBytes()
    if (this.#closed || limit === undefined || this.usedBytes <= limit) return removed
    removed += await this.#removeWhile(Number.MAX_SAFE_INTEGER, () => this.usedBytes > limit * REFILL)
    this.#giveBack()
    return removed
  }

  /** Commits what was added and closes the database. */
  close(): void {
    if (this.#closed) return
    this.#sweep?.cancel()
    this.#flush()
    this.#closed = true
    this.#database.close()
  }

  #stage(change: Change): Promise<undefined> {
    if (this.#closed) throw new CwError('BUG', `the store in ${this.#dir} is used after it was closed`)
    let batch = this.#batch
    if (batch === undefined) {
      this.#batch = batch = { changes: [], done: Promise.withResolvers() }
      setImmediate(() => this.#flush())
    }
    batch.changes.push(change)
    return batch.done.promise
  }

  #flush(): void {
    const batch = this.#batch
    if (batch === undefined) return
    this.#batch = undefined
    try {
      this.#transaction(() => {
        for (const change of batch.changes) change()
      })
      batch.done.resolve(undefined)
    } catch (error) {
      batch.done.reject(storeFailed(this.#dir, error))
    }
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

  async #removeWhile(expiredBy: number, more: () => boolean): Promise<number> {
    let removed = 0
    while (!this.#closed && more()) {
      const { changes } = this.#deleteOldest.run(expiredBy, SLICE)
      removed += Number(changes)
      if (Number(changes) < SLICE) break
      await nextTurn()
    }
    return removed
  }

  /** What is free goes back to the disk, a part at a time. */
  #giveBack(): void {
    if (!this.#closed) this.#database.exec(`PRAGMA incremental_vacuum(${PAGES_GIVEN_BACK})`)
  }

  #limitBytes(): number | undefined {
    const limit = this.#diskLimit
    if (limit === undefined || 'bytes' in limit) return limit?.bytes
    const { blocks, bsize } = statfsSync(this.#dir)
    return (blocks * bsize * limit.percentOfDisk) / 100
  }

  #pragma(name: string): number {
    return Number(Object.values(this.#database.prepare(`PRAGMA ${name}`).get() ?? {})[0] ?? 0)
  }

  #sweepLater(): void {
    this.#sweep = this.#clock.after(SWEEP_EVERY, () => {
      // A sweep that fails has changed nothing; the next one tries again.
      this.sweep().catch(() => undefined)
      if (!this.#closed) this.#sweepLater()
    })
  }
}

/** @throws CwError DATA_DIR_UNUSABLE if the folder cannot be created, read or written, or holds something else */
export function openCallLists(options: CallListsOptions): EmbeddedCallLists {
  let database: DatabaseSync | undefined
  try {
    makeFolder(options.dir)
    database = new DatabaseSync(join(options.dir, 'call-lists.db'))
    database.exec(PRAGMAS + SCHEMA)
    database.exec(options.access === 'write' ? 'PRAGMA busy_timeout = 0' : 'PRAGMA query_only = 1')
    return new EmbeddedCallLists(options, database)
  } catch (error) {
    database?.close()
    throw unusable(options.dir, error)
  }
}

interface Row {
  readonly name: string
  readonly xml: string
}
