import { describe, expect, test } from 'vitest'
import { EMPTY_QUEUE, type QueueEntry, type RestartQueue } from '../../lib/etcd/restart-queue.ts'
import { globalStateOf, localStateOf } from './states.ts'

const entry = (id: string, status: QueueEntry['status']): QueueEntry => ({ id, status })
const queue = (queued: readonly QueueEntry[], errored: readonly QueueEntry[] = []): RestartQueue => ({
  ...EMPTY_QUEUE,
  queued,
  errored,
})
const meFailed = entry('me', 'FAILURE')
const other = entry('other', 'PROCESSING')

describe('the state of a node and of its site', () => {
  test.each([
    [queue([]), 'NO_QUEUE', 'NO_SYNC'],
    [queue([], [meFailed]), 'NO_QUEUE_ERROR', 'NO_SYNC_ERROR'],
    [queue([], [entry('other', 'UNRESPONSIVE')]), 'NO_QUEUE', 'NO_SYNC_ERROR'],
    [queue([entry('me', 'QUEUED'), other]), 'FIRST_IN_QUEUE', 'SYNC'],
    [queue([entry('me', 'PROCESSING')]), 'PROCESSING', 'SYNC'],
    [queue([other, entry('me', 'QUEUED')]), 'WAITING_ON_OTHER_NODE', 'SYNC'],
    [queue([other], [meFailed]), 'WAITING_ON_OTHER_NODE_ERROR', 'SYNC_ERROR'],
  ])('of %o is %s and %s', (given, local, global) => {
    expect(localStateOf(given, 'me')).toBe(local)
    expect(globalStateOf(given)).toBe(global)
  })
})
