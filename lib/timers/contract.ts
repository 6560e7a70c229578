import { describe, expect, test, vi } from 'vitest'
import { seconds, TestClock, type Clock } from '../kit/clock.ts'
import type { TimerService } from './timer-service.ts'

export interface OpenedTimers {
  readonly service: TimerService
  readonly close: () => Promise<void>
}

/** What every timer service promises, on a clock that the suite owns. */
export function timerServiceContract(name: string, open: (clock: Clock) => Promise<OpenedTimers>): void {
  const withTimers = (use: (service: TimerService, clock: TestClock) => Promise<void>) => async () => {
    const clock = new TestClock()
    const { service, close } = await open(clock)
    try {
      await use(service, clock)
    } finally {
      await close()
    }
  }

  describe(`timer service: ${name}`, () => {
    test(
      'a timer pops once, at its time, with what it was given, for its topic',
      withTimers(async (service, clock) => {
        const pops: string[] = []
        service.onPop('a', async pop => void pops.push(`a ${pop.id} ${pop.opaque}`))
        service.onPop('b', async pop => void pops.push(`b ${pop.id} ${pop.opaque}`))
        await service.set('a', 'one', seconds(10), 'x')
        await service.set('b', 'one', seconds(20), 'y')

        clock.advance(seconds(9))
        expect(pops).toEqual([])
        clock.advance(seconds(1))
        await vi.waitFor(() => expect(pops).toEqual(['a one x']))
        clock.advance(seconds(100))
        await vi.waitFor(() => expect(pops).toEqual(['a one x', 'b one y']))
      }),
    )

    test(
      'setting an id again replaces its timer',
      withTimers(async (service, clock) => {
        const pops: string[] = []
        service.onPop('a', async pop => void pops.push(pop.opaque))
        await service.set('a', 'one', seconds(10), 'first')
        await service.set('a', 'one', seconds(30), 'second')

        clock.advance(seconds(29))
        expect(pops).toEqual([])
        clock.advance(seconds(1))
        await vi.waitFor(() => expect(pops).toEqual(['second']))
      }),
    )

    test(
      'a cancelled timer does not pop, and cancelling what is not set is harmless',
      withTimers(async (service, clock) => {
        const pops: string[] = []
        service.onPop('a', async pop => void pops.push(pop.id))
        await service.set('a', 'one', seconds(10), '')
        await service.cancel('a', 'one')
        await service.cancel('a', 'one')
        await service.cancel('c', 'never')

        clock.advance(seconds(20))
        await Promise.resolve()

        expect(pops).toEqual([])
      }),
    )

    test(
      'a timer that was due before there was a handler pops when there is one',
      withTimers(async (service, clock) => {
        await service.set('a', 'one', seconds(1), 'x')
        clock.advance(seconds(5))

        const pops: string[] = []
        service.onPop('a', async pop => void pops.push(pop.opaque))

        await vi.waitFor(() => expect(pops).toEqual(['x']))
      }),
    )

    test(
      'a handler may set its own timer again',
      withTimers(async (service, clock) => {
        let pops = 0
        service.onPop('a', async () => {
          pops++
          await service.set('a', 'one', seconds(10), '')
        })
        await service.set('a', 'one', seconds(10), '')

        for (let i = 1; i <= 3; i++) {
          clock.advance(seconds(10))
          await vi.waitFor(() => expect(pops).toBe(i))
        }
      }),
    )

    test(
      'a handler that fails is called again',
      withTimers(async (service, clock) => {
        let tries = 0
        service.onPop('a', async () => {
          if (++tries < 3) throw new Error('not yet')
        })
        await service.set('a', 'one', seconds(1), '')
        clock.advance(seconds(1))

        for (let i = 2; i <= 3; i++) {
          await vi.waitFor(() => expect(tries).toBe(i - 1))
          await vi.waitFor(() => {
            clock.advance(seconds(10))
            expect(tries).toBe(i)
          })
        }
      }),
    )
  })
}
