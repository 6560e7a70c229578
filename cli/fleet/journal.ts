import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { StepEvent } from './carry-out.ts'

/** What an operation was started with: enough to do the rest of it later. */
export interface OperationStarted {
  readonly event: 'operation.started'
  readonly id: string
  readonly operation: string
  readonly deployment: string
  /** `user@host`. */
  readonly by: string
  /** The deployment file. */
  readonly file: string
  /** The operation's own options, as it takes them. */
  readonly options: Readonly<Record<string, unknown>>
  /** Ids of the planned steps. */
  readonly steps: readonly string[]
}

export interface OperationResumed {
  readonly event: 'operation.resumed'
  readonly by: string
  readonly steps: readonly string[]
}

export type Outcome = 'done' | 'incomplete' | 'interrupted'

export interface OperationEnded {
  readonly event: 'operation.ended'
  readonly outcome: Outcome
  readonly why?: string
}

export type JournalEvent = OperationStarted | OperationResumed | OperationEnded | StepEvent
/** A line of the journal: an event and when it was written, as ISO 8601. */
export type JournalEntry = JournalEvent & { readonly at: string }

/** What the id of an operation looks like: one that does not came from nobody we know, and makes no file name. */
export const OPERATION_ID = /^\d{8}T\d{6}-[0-9a-f]{4}$/

/** An operation as its journal tells it. */
export interface OperationRecord extends Omit<OperationStarted, 'event'> {
  readonly at: string
  /** `running` also of one that was killed: whether it still runs, the lock knows. */
  readonly outcome: Outcome | 'running'
  readonly done: number
  readonly entries: readonly JournalEntry[]
}

/** Where the journals of a deployment are kept on the operator's machine (XDG base directories). */
export function journalFolder(deployment: string, env: NodeJS.ProcessEnv = process.env): string {
  const state = env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state')
  return join(state, 'clearwater', deployment, 'operations')
}

/** A copy of the journal elsewhere; it may lag behind, and must not fail. */
export type Mirror = (index: number, line: string) => void

/**
 * The journal of one operation: a line of JSON an event, on disk before `append` returns, so that a killed operation
 * leaves a true account of how far it came.
 */
export class Journal implements Disposable {
  readonly #descriptor: number
  readonly #now: () => Date
  readonly #mirrors: Mirror[] = []
  readonly #lines: string[]

  private constructor(descriptor: number, lines: string[], now: () => Date) {
    this.#descriptor = descriptor
    this.#lines = lines
    this.#now = now
  }

  /** Opens the journal of an operation, a new one or one that is continued. */
  static open(folder: string, id: string, now: () => Date = () => new Date()): Journal {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const file = fileOf(folder, id)
    const descriptor = openSync(file, 'a', 0o600)
    const text = readFileSync(file, 'utf8')
    // A line that a power cut tore apart is ended, so that the next one stands for itself.
    if (text !== '' && !text.endsWith('\n')) writeSync(descriptor, '\n')
    fsyncFolder(folder)
    return new Journal(descriptor, linesOf(text), now)
  }

  get empty(): boolean {
    return this.#lines.length === 0
  }

  /** Writes it with the time of now; an entry of another journal keeps its own. */
  append(event: JournalEvent | JournalEntry): void {
    const line = JSON.stringify({ at: this.#now().toISOString(), ...event })
    writeSync(this.#descriptor, `${line}\n`)
    fsyncSync(this.#descriptor)
    this.#lines.push(line)
    for (const mirror of this.#mirrors) mirror(this.#lines.length - 1, line)
  }

  /** Hands every line so far, and every later one, to a copy elsewhere. */
  mirrorTo(mirror: Mirror): void {
    for (const [index, line] of this.#lines.entries()) mirror(index, line)
    this.#mirrors.push(mirror)
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** All operations of a deployment that were started on this machine, the newest first. */
export function readOperations(folder: string): readonly OperationRecord[] {
  return idsIn(folder)
    .flatMap(id => readOperation(readFileSync(fileOf(folder, id), 'utf8')) ?? [])
    .toSorted((a, b) => b.at.localeCompare(a.at))
}

/** An operation by the text of its journal; `undefined` where not even its beginning can be read. */
export function readOperation(text: string): OperationRecord | undefined {
  const entries = linesOf(text).flatMap(parseLine)
  const started = entries.find(entry => entry.event === 'operation.started')
  if (started === undefined) return undefined
  const { event: _event, ...record } = started
  const last = entries.findLast(
    entry => entry.event === 'operation.ended' || entry.event === 'operation.resumed',
  )
  return {
    ...record,
    outcome: last?.event === 'operation.ended' ? last.outcome : 'running',
    done: new Set(entries.flatMap(entry => (entry.event === 'step.done' ? [entry.step] : []))).size,
    entries,
  }
}

function parseLine(line: string): readonly JournalEntry[] {
  try {
    const value: unknown = JSON.parse(line)
    return isEntry(value) ? [value] : []
  } catch {
    // Torn by a power cut: what it would have said was not done, or is seen by looking at the nodes.
    return []
  }
}

function isEntry(value: unknown): value is JournalEntry {
  return typeof value === 'object' && value !== null && 'event' in value && 'at' in value
}

function linesOf(text: string): string[] {
  return text.split('\n').filter(line => line !== '')
}

function idsIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).flatMap(name => (name.endsWith('.jsonl') ? [name.slice(0, -6)] : []))
  } catch {
    return []
  }
}

function fileOf(folder: string, id: string): string {
  return join(folder, `${id}.jsonl`)
}

/** The name of a new file is on disk only when its folder is. */
function fsyncFolder(folder: string): void {
  for (const path of [folder, dirname(folder)]) {
    const descriptor = openSync(path, 'r')
    fsyncSync(descriptor)
    closeSync(descriptor)
  }
}
