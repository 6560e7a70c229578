import { describe, expect, test } from 'vitest'
import type { Impu } from '../../../lib/ims/identity.ts'
import { minutes, seconds, TestClock } from '../../../lib/kit/clock.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { noLog } from '../../../lib/kit/log.ts'
import { Admission } from '../../../lib/overload/admission.ts'
import type { CallFragment, CallListStore, FragmentKind } from '../../../lib/store/call-list-store.ts'
import { Recorder, type RecorderOptions } from './recorder.ts'

const ALICE = 'sip:alice@example.com' as Impu

function fragment(second: number, kind: FragmentKind): CallFragment {
  return { timestamp: `202601010000${String(second).padStart(2, '0')}`, id: '1', kind, xml: '' }
}

/** A store that keeps what it is given, when the test lets it. */
class TaughtCallLists implements CallListStore {
  kept: readonly CallFragment[] = []
  attempts = 0
  atOnce = 0
  mostAtOnce = 0
  /** How often it fails before it takes something. */
  failures = 0
  /** What a write waits for. */
  gate: Promise<void> = Promise.resolve()

  async add(_impu: Impu, added: CallFragment): Promise<void> {
    this.attempts++
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce)
    await this.gate
    this.atOnce--
    if (this.failures > 0) {
      this.failures--
      throw new CwError('STORE_FAILED', 'the store is down')
    }
    this.kept = [...this.kept, added]
  }

  async fragments(): Promise<readonly CallFragment[]> {
    return this.kept.toSorted((a, b) => (a.timestamp + a.kind < b.timestamp + b.kind ? -1 : 1))
  }

  async remove(_impu: Impu, removed: readonly CallFragment[]): Promise<void> {
    this.kept = this.kept.filter(each => !removed.includes(each))
  }
}

function open(options: Partial<RecorderOptions> & { readonly tokens?: number } = {}) {
  const clock = new TestClock()
  const store = new TaughtCallLists()
  const notified: Impu[] = []
  const { tokens = 1000 } = options
  const recorder = new Recorder({
    clock,
    log: noLog,
    store,
    ttl: minutes(1),
    maxLength: 0,
    writers: 25,
    admission: new Admission(
      { targetLatencyUs: 1_000_000, maxTokens: tokens, initTokenRate: 0, minTokenRate: 0 },
      performance.now(),
    ),
    notify: impu => notified.push(impu),
    ...options,
  })
  return { clock, store, notified, recorder }
}

/** Lets everything happen that waits for nothing but its turn. */
const settled = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('a fragment', () => {
  test('is written, and then somebody is told', async () => {
    const { recorder, store, notified } = open()
    recorder.record(ALICE, fragment(1, 'begin'))
    expect(notified).toEqual([])

    await settled()

    expect(store.kept).toEqual([fragment(1, 'begin')])
    expect(notified).toEqual([ALICE])
    expect(recorder.counts).toMatchObject({ begin: 1, lost: 0 })
    expect(recorder.waiting).toBe(0)
  })

  test('is written when a store that failed is well again', async () => {
    const { recorder, store, clock, notified } = open()
    store.failures = 2
    recorder.record(ALICE, fragment(1, 'end'))

    for (const wait of [seconds(1), seconds(5)]) {
      await settled()
      expect(store.kept).toEqual([])
      clock.advance(wait)
    }
    await settled()

    expect(store.kept).toEqual([fragment(1, 'end')])
    expect(notified).toEqual([ALICE])
  })

  test('is lost, and counted, when the store stays down', async () => {
    const { recorder, store, clock, notified } = open()
    store.failures = Infinity
    recorder.record(ALICE, fragment(1, 'end'))

    for (let i = 0; i < 10; i++) {
      await settled()
      clock.advance(seconds(20))
    }

    expect(store.attempts).toBe(4)
    expect(recorder.counts).toMatchObject({ end: 0, lost: 1 })
    expect(notified).toEqual([])
    expect(recorder.waiting).toBe(0)
  })
})

describe('a slow store', () => {
  test('is given so many at once and no more, and gets them all in the end', async () => {
    const { recorder, store } = open({ writers: 3 })
    const gate = Promise.withResolvers<undefined>()
    store.gate = gate.promise
    for (let i = 0; i < 20; i++) recorder.record(ALICE, fragment(i, 'rejected'))
    await settled()
    expect(store.mostAtOnce).toBe(3)
    expect(recorder.waiting).toBe(20)

    gate.resolve(undefined)
    await recorder.close()

    expect(store.kept).toHaveLength(20)
    expect(store.mostAtOnce).toBe(3)
  })

  test('costs new calls their record, not the process its memory', async () => {
    const { recorder, store } = open({ maxQueued: 5 })
    const gate = Promise.withResolvers<undefined>()
    store.gate = gate.promise
    for (let i = 0; i < 8; i++) if (recorder.admits()) recorder.record(ALICE, fragment(i, 'begin'))
    recorder.record(ALICE, fragment(9, 'end'))

    expect(recorder.waiting).toBe(5)
    expect(recorder.counts).toMatchObject({ unrecorded: 3, lost: 1 })
    gate.resolve(undefined)
    await settled()
    expect(recorder.admits()).toBe(true)
    expect(recorder.counts.begin).toBe(5)
  })
})

test('without a token a call is let pass unrecorded', () => {
  const { recorder } = open({ tokens: 2 })
  expect([1, 2, 3].map(() => recorder.admits())).toEqual([true, true, false])
  expect(recorder.counts.unrecorded).toBe(1)
})

describe('a list that grows beyond what is allowed', () => {
  test('is cut down to it once it is a tenth longer, from its old end', async () => {
    const { recorder, store } = open({ maxLength: 20, chance: () => 0 })
    for (let i = 0; i < 22; i++) recorder.record(ALICE, fragment(i, 'rejected'))
    await settled()
    expect(store.kept).toHaveLength(22)

    recorder.record(ALICE, fragment(22, 'rejected'))
    await settled()

    expect((await store.fragments()).map(({ timestamp }) => Number(timestamp.slice(-2)))).toEqual(
      Array.from({ length: 20 }, (_, i) => i + 3),
    )
  })

  test('keeps calls in progress, however long ago they began', async () => {
    const { recorder, store } = open({ maxLength: 1, chance: () => 0 })
    recorder.record(ALICE, fragment(0, 'begin'))
    for (let i = 1; i < 4; i++) recorder.record(ALICE, fragment(i, 'rejected'))
    await settled()

    expect(await store.fragments()).toEqual([fragment(0, 'begin'), fragment(3, 'rejected')])
  })

  test('is looked at in one of so many writes only', async () => {
    const { recorder, store } = open({ maxLength: 20, chance: () => 0.5 })
    for (let i = 0; i < 40; i++) recorder.record(ALICE, fragment(i, 'rejected'))
    await settled()
    expect(store.kept).toHaveLength(40)
  })
})

test('closing writes what waits, does not wait for a store that is down, and takes no more', async () => {
  const { recorder, store } = open({ writers: 1 })
  store.failures = 1
  recorder.record(ALICE, fragment(1, 'begin'))
  recorder.record(ALICE, fragment(2, 'begin'))
  await settled()

  await recorder.close()
  recorder.record(ALICE, fragment(3, 'begin'))

  expect(store.kept).toEqual([fragment(1, 'begin'), fragment(2, 'begin')])
  expect(recorder.counts.lost).toBe(1)
})
