import { describe, expect, test } from 'vitest'
import type { NodeReport } from '../../../lib/etcd/node-report.ts'
import { EMPTY_QUEUE, type QueueEntry, type RestartQueue } from '../../../lib/etcd/restart-queue.ts'
import { stateOf } from './rollout.ts'

const CHANGE = {
  files: [{ site: 'site1', file: 'shared_config' }],
  revision: 7,
  restarting: new Set(['a']),
  name: 'a',
  site: 'site1',
} as const

const report = (more: Partial<NodeReport> = {}): NodeReport => ({
  node: 'a',
  queueId: '10.0.0.1-a',
  daemons: ['sprout'],
  files: { shared_config: { revision: 7, sha256: '' } },
  faults: [],
  at: '',
  ...more,
})
const entry = (id: string, status: QueueEntry['status']): QueueEntry => ({ id, status })
const queue = (more: Partial<RestartQueue>): RestartQueue => ({ ...EMPTY_QUEUE, ...more })
const self = entry('10.0.0.1-a', 'QUEUED')

describe('how far a node is with a change', () => {
  test.each<[string, NodeReport | undefined, RestartQueue, object]>([
    ['nothing is heard of it', undefined, EMPTY_QUEUE, { kind: 'silent' }],
    [
      'it has an older text',
      report({ files: { shared_config: { revision: 6, sha256: '' } } }),
      EMPTY_QUEUE,
      { kind: 'behind' },
    ],
    ['it never had one', report({ files: {} }), EMPTY_QUEUE, { kind: 'behind' }],
    [
      'it refuses the text',
      report({
        files: { shared_config: { revision: 6, sha256: '', refused: { revision: 7, faults: ['no'] } } },
      }),
      EMPTY_QUEUE,
      { kind: 'failed', why: 'shared_config is refused: no' },
    ],
    [
      'it refused an earlier one',
      report({
        files: { shared_config: { revision: 5, sha256: '', refused: { revision: 6, faults: ['no'] } } },
      }),
      EMPTY_QUEUE,
      { kind: 'behind' },
    ],
    ['a daemon did not take it', report({ faults: ['bono'] }), EMPTY_QUEUE, { kind: 'failed', why: 'bono' }],
    ['it is at the front', report(), queue({ queued: [self] }), { kind: 'restarting' }],
    [
      'it waits',
      report(),
      queue({ queued: [entry('other', 'PROCESSING'), self] }),
      { kind: 'waiting', behind: 'other' },
    ],
    [
      'it failed',
      report(),
      queue({ errored: [entry('10.0.0.1-a', 'FAILURE')] }),
      { kind: 'failed', why: 'not healthy after its restart' },
    ],
    ['another one failed', report(), queue({ errored: [entry('other', 'FAILURE')] }), { kind: 'done' }],
    ['all is done', report(), EMPTY_QUEUE, { kind: 'done' }],
  ])('%s', (_, given, waiting, expected) => {
    expect(stateOf(given, waiting, CHANGE)).toEqual(expected)
  })

  test('a failure of an earlier change counts only where this one restarts', () => {
    const failed = queue({ errored: [entry('10.0.0.1-a', 'UNRESPONSIVE')] })
    expect(stateOf(report(), failed, { ...CHANGE, restarting: new Set() })).toEqual({ kind: 'done' })
  })
})
