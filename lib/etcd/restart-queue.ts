import type { EtcdClient } from './client.ts'
import { CwError } from '../kit/errors.ts'

/** A node in the queue. `id` is `<management address>-<node type>`. */
export interface QueueEntry {
  readonly id: string
  readonly status: 'QUEUED' | 'PROCESSING' | 'DONE' | 'FAILURE' | 'UNRESPONSIVE'
  /** Whom to restart there. Absent: every daemon of the node. */
  readonly daemons?: readonly string[]
}

/** Who waits for a restart, one node at a time: the manual's `apply_config` (operations.md §5.3). */
export interface RestartQueue {
  /** A node that fails does not stop the others. */
  readonly force: boolean
  /** The first one restarts now, or is about to. */
  readonly queued: readonly QueueEntry[]
  readonly errored: readonly QueueEntry[]
  readonly completed: readonly QueueEntry[]
}

export const EMPTY_QUEUE: RestartQueue = { force: false, queued: [], errored: [], completed: [] }

/** Puts a node at the end. The first one in an empty queue brings along those that failed before. */
export function enqueue(queue: RestartQueue, id: string, daemons?: readonly string[]): RestartQueue {
  const again = queue.queued.length === 0 ? queue.errored.filter(each => each.status === 'FAILURE') : []
  const errored = queue.queued.length === 0 ? [] : queue.errored
  const queued = [...queue.queued, ...again.map(each => ({ ...each, status: 'QUEUED' as const }))]
  const waiting = queued.find(each => each.id === id && each.status === 'QUEUED')
  const entry = entryOf(id, waiting === undefined ? daemons : union(waiting.daemons, daemons))
  return {
    ...queue,
    queued:
      waiting === undefined ? [...queued, entry] : queued.map(each => (each === waiting ? entry : each)),
    errored,
    completed: without(queue.completed, id),
  }
}

/** The first in the queue begins; it is no longer an earlier failure. */
export function begin(queue: RestartQueue, id: string): RestartQueue | undefined {
  const [front, ...rest] = queue.queued
  if (front?.id !== id || front.status !== 'QUEUED') return undefined
  return {
    ...queue,
    queued: [{ ...front, status: 'PROCESSING' }, ...rest],
    errored: without(queue.errored, id),
  }
}

/** The first in the queue has restarted and is healthy. */
export function succeed(queue: RestartQueue, id: string): RestartQueue | undefined {
  const [front, ...rest] = queue.queued
  if (front?.id !== id || front.status !== 'PROCESSING') return undefined
  if (rest.length === 0) return { ...queue, queued: [], completed: [] }
  const again = rest.some(each => each.id === id)
  const completed = without(queue.completed, id)
  return { ...queue, queued: rest, completed: again ? completed : [...completed, { id, status: 'DONE' }] }
}

/**
 * The first in the queue did not become healthy, or is silent for too long. Unless the roll-out is forced it ends here,
 * so that a bad configuration takes one node and not all.
 */
export function fail(
  queue: RestartQueue,
  id: string,
  status: 'FAILURE' | 'UNRESPONSIVE',
): RestartQueue | undefined {
  const [front, ...rest] = queue.queued
  if (front?.id !== id) return undefined
  const failed: QueueEntry = { ...front, status }
  if (!queue.force) {
    return { ...queue, queued: [], errored: [...without(queue.errored, id), failed], completed: [] }
  }
  const again = rest[0]?.id === id
  return {
    ...queue,
    queued: rest,
    errored: again ? queue.errored : [...without(queue.errored, id), failed],
    completed: rest.length === 0 ? [] : queue.completed,
  }
}

/** Reads the document in etcd; what makes no sense in it is left out. Never throws. */
export function parseRestartQueue(text: string): RestartQueue {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return EMPTY_QUEUE
  }
  if (typeof document !== 'object' || document === null) return EMPTY_QUEUE
  const lists = document as Readonly<Record<string, unknown>>
  return {
    force: lists.FORCE === true,
    queued: entriesOf(lists.QUEUED, ['QUEUED', 'PROCESSING']),
    errored: entriesOf(lists.ERRORED, ['FAILURE', 'UNRESPONSIVE']),
    completed: entriesOf(lists.COMPLETED, ['DONE']),
  }
}

export function formatRestartQueue(queue: RestartQueue): string {
  const list = (entries: readonly QueueEntry[]): unknown =>
    entries.map(({ id, status, daemons }) => ({
      ID: id,
      STATUS: status,
      ...(daemons === undefined ? {} : { DAEMONS: daemons }),
    }))
  return JSON.stringify({
    FORCE: queue.force,
    ERRORED: list(queue.errored),
    COMPLETED: list(queue.completed),
    QUEUED: list(queue.queued),
  })
}

const MOST_TRIES = 50

/**
 * Changes the queue whoever else changes it at the same moment; `change` gives `undefined` where nothing is to be done.
 *
 * @returns the queue as it is then
 * @throws CwError ETCD_UNAVAILABLE or ETCD_REFUSED
 */
export async function updateRestartQueue(
  etcd: Pick<EtcdClient, 'get' | 'put'>,
  key: string,
  change: (queue: RestartQueue) => RestartQueue | undefined,
): Promise<RestartQueue> {
  for (let attempt = 0; attempt < MOST_TRIES; attempt++) {
    const found = await etcd.get(key)
    const before = found === undefined ? EMPTY_QUEUE : parseRestartQueue(found.value.toString())
    const after = change(before)
    if (after === undefined) return before
    const { done } = await etcd.put(key, formatRestartQueue(after), { ifRevision: found?.revision ?? 0 })
    if (done) return after
  }
  throw new CwError('ETCD_REFUSED', `the queue of restarts changes faster than it can be changed`, {
    where: { address: key },
    changed: 'nothing',
  })
}

function entryOf(id: string, daemons: readonly string[] | undefined): QueueEntry {
  return { id, status: 'QUEUED', ...(daemons === undefined ? {} : { daemons }) }
}

/** Absent means all, and all with some is all. */
function union(
  some: readonly string[] | undefined,
  more: readonly string[] | undefined,
): readonly string[] | undefined {
  return some === undefined || more === undefined ? undefined : [...new Set([...some, ...more])]
}

function without(entries: readonly QueueEntry[], id: string): readonly QueueEntry[] {
  return entries.filter(each => each.id !== id)
}

function entriesOf(list: unknown, statuses: readonly QueueEntry['status'][]): readonly QueueEntry[] {
  if (!Array.isArray(list)) return []
  return list.flatMap((entry: unknown): readonly QueueEntry[] => {
    if (typeof entry !== 'object' || entry === null) return []
    const { ID: id, STATUS, DAEMONS } = entry as Readonly<Record<string, unknown>>
    const status = statuses.find(each => each === STATUS)
    if (typeof id !== 'string' || status === undefined) return []
    const daemons = Array.isArray(DAEMONS) ? DAEMONS.filter(each => typeof each === 'string') : undefined
    return [{ id, status, ...(daemons === undefined ? {} : { daemons }) }]
  })
}
