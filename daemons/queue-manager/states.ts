import type { RestartQueue } from '../../lib/etcd/restart-queue.ts'

/** Where this node stands in the queue (operations.md §5.3). */
export type LocalState =
  | 'NO_QUEUE'
  | 'NO_QUEUE_ERROR'
  | 'FIRST_IN_QUEUE'
  | 'PROCESSING'
  | 'WAITING_ON_OTHER_NODE'
  | 'WAITING_ON_OTHER_NODE_ERROR'

/** Where the site stands. */
export type GlobalState = 'NO_SYNC' | 'NO_SYNC_ERROR' | 'SYNC' | 'SYNC_ERROR'

export function localStateOf({ queued, errored }: RestartQueue, id: string): LocalState {
  const isErrored = errored.some(entry => entry.id === id)
  const [front] = queued
  if (front === undefined) return isErrored ? 'NO_QUEUE_ERROR' : 'NO_QUEUE'
  if (front.id === id) return front.status === 'PROCESSING' ? 'PROCESSING' : 'FIRST_IN_QUEUE'
  return isErrored ? 'WAITING_ON_OTHER_NODE_ERROR' : 'WAITING_ON_OTHER_NODE'
}

export function globalStateOf({ queued, errored }: RestartQueue): GlobalState {
  if (queued.length > 0) return errored.length > 0 ? 'SYNC_ERROR' : 'SYNC'
  return errored.length > 0 ? 'NO_SYNC_ERROR' : 'NO_SYNC'
}
