import { describe, expect, test } from 'vitest'
import {
  begin,
  EMPTY_QUEUE,
  enqueue,
  fail,
  formatRestartQueue,
  parseRestartQueue,
  succeed,
  updateRestartQueue,
  type RestartQueue,
} from './restart-queue.ts'

/** Of all four lists in one line: `a* b | failed! | done`. */
function shown({ queued, errored, completed }: RestartQueue): string {
  const mark = { QUEUED: '', PROCESSING: '*', DONE: '', FAILURE: '!', UNRESPONSIVE: '?' }
  return [queued, errored, completed]
    .map(list => list.map(entry => entry.id + mark[entry.status]).join(' '))
    .join('|')
}

type Step = (queue: RestartQueue) => RestartQueue | undefined
const add =
  (id: string): Step =>
  queue =>
    enqueue(queue, id)
const start =
  (id: string): Step =>
  queue =>
    begin(queue, id)
const done =
  (id: string): Step =>
  queue =>
    succeed(queue, id)
const broken =
  (id: string): Step =>
  queue =>
    fail(queue, id, 'FAILURE')
const silent =
  (id: string): Step =>
  queue =>
    fail(queue, id, 'UNRESPONSIVE')

function after(steps: readonly Step[], force = false): string {
  return shown(steps.reduce((queue, step) => step(queue) ?? queue, { ...EMPTY_QUEUE, force }))
}

describe('the restart queue', () => {
  test.each<[string, readonly Step[], string]>([
    ['nodes wait in the order in which they came', [add('a'), add('b')], 'a b||'],
    ['a node waits once', [add('a'), add('a')], 'a||'],
    ['a node that is being restarted can wait for another one', [add('a'), start('a'), add('a')], 'a* a||'],
    ['only the first one begins', [add('a'), add('b'), start('b')], 'a b||'],
    ['who has not begun has not succeeded', [add('a'), done('a')], 'a||'],
    ['who is done is noted while others wait', [add('a'), add('b'), start('a'), done('a')], 'b||a'],
    ['who waits again is not done', [add('a'), start('a'), add('a'), done('a')], 'a||'],
    ['an empty queue forgets who was done', [add('a'), add('b'), ...all('a'), ...all('b')], '||'],
    [
      'a failure stops the roll-out',
      [add('a'), add('b'), add('c'), ...all('a'), start('b'), broken('b')],
      '|b!|',
    ],
    ['so does a node that is silent', [add('a'), add('b'), silent('a')], '|a?|'],
    [
      'after a failure the next change brings it along',
      [add('a'), start('a'), broken('a'), add('b')],
      'a b||',
    ],
    ['a silent node is not tried again by itself', [add('a'), silent('a'), add('b')], 'b||'],
    ['a node that failed may itself be the next', [add('a'), start('a'), broken('a'), add('a')], 'a||'],
  ])('%s', (_, steps, expected) => {
    expect(after(steps)).toBe(expected)
  })

  test.each<[string, readonly Step[], string]>([
    ['goes on after a failure', [add('a'), add('b'), start('a'), broken('a')], 'b|a!|'],
    ['goes on after a silent node', [add('a'), add('b'), silent('a')], 'b|a?|'],
    ['a failure that is next again is none yet', [add('a'), start('a'), add('a'), broken('a')], 'a||'],
    [
      'begins a failed one afresh',
      [add('a'), add('b'), start('a'), broken('a'), add('a'), ...all('b'), start('a')],
      'a*||b',
    ],
  ])('that is forced %s', (_, steps, expected) => {
    expect(after(steps, true)).toBe(expected)
  })

  test('remembers whom to restart, all of them if anyone says so', () => {
    const some = enqueue(enqueue(EMPTY_QUEUE, 'a', ['bono']), 'a', ['sprout', 'bono'])
    expect(some.queued[0]?.daemons).toEqual(['bono', 'sprout'])
    expect(enqueue(some, 'a').queued[0]?.daemons).toBeUndefined()
  })

  test('is written as the manual has it, and read again', () => {
    const queue = enqueue(enqueue(EMPTY_QUEUE, '10.0.0.1-sprout'), '10.0.0.2-bono', ['bono'])
    const text = formatRestartQueue(queue)
    expect(JSON.parse(text)).toEqual({
      FORCE: false,
      ERRORED: [],
      COMPLETED: [],
      QUEUED: [
        { ID: '10.0.0.1-sprout', STATUS: 'QUEUED' },
        { ID: '10.0.0.2-bono', STATUS: 'QUEUED', DAEMONS: ['bono'] },
      ],
    })
    expect(parseRestartQueue(text)).toEqual(queue)
  })

  test.each(['', 'null', '[]', '7', '{"QUEUED":7}', '{"QUEUED":[null,{"ID":7},{"ID":"a","STATUS":"LOST"}]}'])(
    'is empty where %s stands in its place',
    text => {
      expect(parseRestartQueue(text)).toEqual(EMPTY_QUEUE)
    },
  )

  test('is changed though others change it at the same moment', async () => {
    let stored = { value: Buffer.from(formatRestartQueue(EMPTY_QUEUE)), revision: 1 }
    let intruders = 3
    const etcd = {
      get: (key: string) => Promise.resolve({ key, lease: '', ...stored }),
      put: (_: string, value: string | Uint8Array, options: { ifRevision?: number } = {}) => {
        if (intruders-- > 0) {
          const other = enqueue(parseRestartQueue(stored.value.toString()), `other${intruders}`)
          stored = { value: Buffer.from(formatRestartQueue(other)), revision: stored.revision + 1 }
        }
        const isDone = options.ifRevision === stored.revision
        if (isDone) stored = { value: Buffer.from(value as string), revision: stored.revision + 1 }
        return Promise.resolve({ done: isDone, revision: stored.revision })
      },
    }
    await updateRestartQueue(etcd, 'key', queue => enqueue(queue, 'a'))
    expect(shown(parseRestartQueue(stored.value.toString()))).toBe('other2 other1 other0 a||')
  })
})

function all(id: string): readonly Step[] {
  return [start(id), done(id)]
}
