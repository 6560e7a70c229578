import { describe, expect, test } from 'vitest'
import { seconds } from '../../kit/clock.ts'
import {
  dueAt,
  formatReplication,
  isTombstone,
  parseTimerId,
  parseTimerRequest,
  popped,
  supersedes,
  type ChronosTimer,
} from './timer.ts'

const TIMER: ChronosTimer = {
  id: '0123456789abcdef',
  start: 1_000_000,
  interval: seconds(100),
  repeatFor: seconds(250),
  sequence: 0,
  replicas: ['10.0.0.1', '10.0.0.2'],
  view: 'v1',
  uri: 'http://client.example.com:9888/timers',
  opaque: 'any text',
  tags: [{ type: 'CALL', count: 2 }],
}

const callback = { http: { uri: 'http://a.example.com/x', opaque: 'o' } }
const body = (change: object): string => JSON.stringify({ timing: { interval: 5 }, callback, ...change })

describe('a timer', () => {
  test('is due at its interval, at each replica two seconds later than at the one before', () => {
    expect([0, 1, 2].map(replica => dueAt(TIMER, replica))).toEqual([1_100_000, 1_102_000, 1_104_000])
    expect(dueAt({ ...TIMER, sequence: 1 }, 0)).toBe(1_200_000)
  })

  test('pops as long as another pop fits into its life, and then is a tombstone', () => {
    const second = popped(TIMER)
    expect(second).toEqual({ ...TIMER, sequence: 1 })
    expect(popped(second)).toMatchObject({ sequence: 2, uri: '', opaque: '', tags: [] })
    expect(isTombstone(popped({ ...TIMER, interval: seconds(0), repeatFor: seconds(0) }))).toBe(true)
  })

  test('comes to another node as it was', () => {
    const request = parseTimerRequest(formatReplication({ ...TIMER, sequence: 3 }, 1_050_000))

    expect(request).toEqual({
      timer: { interval: 100_000, repeatFor: 250_000, uri: TIMER.uri, opaque: 'any text', tags: TIMER.tags },
      factor: 2,
      replicated: { replicas: TIMER.replicas, view: 'v1', sequence: 3, startDelta: -50_000 },
    })
  })

  test.each<[string, Partial<ChronosTimer>, Partial<ChronosTimer>, boolean]>([
    ['of the present view, over one of an older view', { view: 'v2' }, { view: 'v1', sequence: 9 }, true],
    ['of the same pop, that began later', { start: 2000 }, { start: 1000 }, true],
    ['of the same pop, that began earlier', { start: 1000 }, { start: 2000 }, false],
    ['that has popped more often', { sequence: 2 }, { sequence: 1 }, true],
    ['that has popped less often', { sequence: 1 }, { sequence: 2, start: 1_000_100 }, false],
    ['that a client has set anew', { sequence: 0 }, { sequence: 2 }, true],
    ['of another start, whatever its pops', { sequence: 1, start: 5000 }, { sequence: 2 }, true],
  ])('%s', (_, incoming, present, wins) => {
    expect(
      supersedes({ ...TIMER, view: 'v2', ...incoming }, { ...TIMER, view: 'v2', ...present }, 'v2'),
    ).toBe(wins)
  })
})

describe('a request for a timer', () => {
  test('has what is missing at its default', () => {
    expect(parseTimerRequest(body({}))).toEqual({
      timer: { interval: 5000, repeatFor: 5000, uri: callback.http.uri, opaque: 'o', tags: [] },
      factor: undefined,
    })
  })

  test('adds up equal tags and passes over malformed ones', () => {
    const info = [{ type: 'A' }, { type: 'A', count: 2 }, { count: 1 }, { type: 'B', count: -1 }, 'x']

    expect(parseTimerRequest(body({ statistics: { 'tag-info': info } }))).toMatchObject({
      timer: { tags: [{ type: 'A', count: 3 }] },
    })
  })

  test.each([
    ['', 'no JSON'],
    ['[]', 'no JSON'],
    ['{}', 'timing'],
    [body({ timing: { interval: 'soon' } }), 'interval'],
    [body({ timing: { interval: 1.5 } }), 'interval'],
    [body({ timing: { interval: -1 } }), 'interval'],
    [body({ timing: { interval: 0, 'repeat-for': 5 } }), 'never ends'],
    [body({ timing: { interval: 1e12 } }), 'interval'],
    [body({ callback: {} }), 'callback'],
    [body({ callback: { http: { uri: 'http://a/' } } }), 'callback'],
    [body({ callback: { http: { uri: 'file:///etc/passwd', opaque: '' } } }), 'no http URL'],
    [body({ callback: { http: { uri: 'nonsense', opaque: '' } } }), 'no http URL'],
    [body({ reliability: [] }), 'reliability'],
    [body({ reliability: { 'replication-factor': 0 } }), 'replication-factor'],
    [body({ reliability: { 'replication-factor': 99 } }), 'replication-factor'],
    [body({ reliability: { replicas: [] } }), 'replicas'],
    [body({ reliability: { replicas: [7] } }), 'replicas'],
    [body({ reliability: { replicas: ['a'], 'cluster-view-id': 3 } }), 'cluster-view-id'],
    [body({ timing: { interval: 1, 'sequence-number': -1 }, reliability: { replicas: ['a'] } }), 'sequence'],
  ])('%s is refused', (text, why) => {
    expect(parseTimerRequest(text)).toContain(why)
  })

  test('an id has 16 digits and a replication factor', () => {
    expect(parseTimerId('0123456789abcdef-2')).toEqual({ id: '0123456789abcdef', factor: 2 })
    for (const wrong of [
      '',
      '0123456789abcdef',
      '0123456789abcdef-0',
      '0123456789ABCDEF-2',
      '../x-2',
      'g'.repeat(16),
    ])
      expect(parseTimerId(wrong)).toBeUndefined()
  })
})
