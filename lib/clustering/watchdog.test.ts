import { expect, test } from 'vitest'
import { minutes, TestClock } from '../kit/clock.ts'
import { Watchdog } from './watchdog.ts'

test('who does not get where it is to be within a quarter of an hour is told of once, and once it is there', () => {
  const clock = new TestClock(0)
  const dog = new Watchdog(clock)
  const after = (time: number, isThere: boolean) => {
    clock.advance(minutes(time))
    return dog.look(isThere)
  }

  expect([after(0, false), after(14, false), dog.isStuck]).toEqual([undefined, undefined, false])
  expect([after(1, false), dog.isStuck, after(1, false)]).toEqual(['stuck', true, undefined])
  expect([after(1, true), dog.isStuck, after(1, true)]).toEqual(['well', false, undefined])
  expect([after(0, false), after(14, true), after(0, false), after(14, false)]).toEqual(
    Array(4).fill(undefined),
  )
})
