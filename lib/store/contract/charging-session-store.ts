import { describe, expect, test } from 'vitest'
import { seconds, TestClock, type Duration } from '../../kit/clock.ts'
import type { ChargingSession, ChargingSessionKey, ChargingSessionStore } from '../charging-session-store.ts'
import { withStore, type Open } from './opened.ts'

const CALL: ChargingSessionKey = { callId: 'a84b4c76e66710@192.0.2.1', role: 0, functionality: 0 }
const SESSION: ChargingSession = {
  sessionId: 'ralf1.example.com;1467711000;1;x',
  ccfs: ['ccf1.example.com', 'ccf2.example.com'],
  recordNumber: 1,
  refreshTime: 300,
  interimInterval: 100,
  timerId: '4c32',
}

/** What every store of charging sessions promises. @param wait lets time go by, for stores that have a clock of their own */
export function chargingSessionStoreContract(
  name: string,
  open: Open<ChargingSessionStore>,
  wait: (clock: TestClock, time: Duration) => Promise<void> = async (clock, time) => clock.advance(time),
): void {
  const withSessions =
    (use: (store: ChargingSessionStore, clock: TestClock) => Promise<void>) => async () => {
      const clock = new TestClock()
      await withStore(open, clock, ({ store }) => use(store, clock))
    }

  describe(`charging session store: ${name}`, () => {
    test(
      'a session comes back as it was stored, under its own key only',
      withSessions(async store => {
        const { timerId: _, ...without } = SESSION
        expect(await store.put(CALL, SESSION, undefined)).toBe('stored')
        expect(await store.put({ ...CALL, role: 1 }, without, undefined)).toBe('stored')

        expect((await store.get(CALL))?.value).toEqual(SESSION)
        expect((await store.get({ ...CALL, role: 1 }))?.value).toEqual(without)
        expect(await store.get({ ...CALL, functionality: 1 })).toBeUndefined()
      }),
    )

    test(
      'of many who count the record number up at the same time each has a number of its own',
      withSessions(async store => {
        await store.put(CALL, { ...SESSION, recordNumber: 0 }, undefined)
        const given: number[] = []
        const count = async (): Promise<void> => {
          for (;;) {
            const read = await store.get(CALL)
            const recordNumber = (read?.value.recordNumber ?? 0) + 1
            if ((await store.put(CALL, { ...SESSION, recordNumber }, read?.version)) === 'conflict') continue
            given.push(recordNumber)
            return
          }
        }

        await Promise.all(Array.from({ length: 20 }, count))

        expect(given.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
      }),
    )

    test(
      'a session that is over is gone, and cannot be gone twice',
      withSessions(async store => {
        await store.put(CALL, SESSION, undefined)
        const version = (await store.get(CALL))?.version ?? 0

        expect(await store.remove(CALL, version + 1)).toBe('conflict')
        expect(await store.remove(CALL, version)).toBe('removed')
        expect(await store.remove(CALL, version)).toBe('conflict')
        expect(await store.get(CALL)).toBeUndefined()
        expect(await store.put(CALL, SESSION, version)).toBe('conflict')
      }),
    )

    test(
      'one of which nothing is heard lives twice its refresh time, and no more',
      withSessions(async (store, clock) => {
        await store.put(CALL, { ...SESSION, refreshTime: 2 }, undefined)
        await wait(clock, seconds(3.5))
        const read = await store.get(CALL)
        expect(read?.value.refreshTime).toBe(2)
        expect(await store.put(CALL, { ...SESSION, refreshTime: 2 }, read?.version)).toBe('stored')
        await wait(clock, seconds(3.5))
        expect(await store.get(CALL)).toBeDefined()

        await wait(clock, seconds(15))

        expect(await store.get(CALL)).toBeUndefined()
      }),
    )
  })
}
