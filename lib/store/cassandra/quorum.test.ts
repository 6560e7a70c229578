import { expect, test } from 'vitest'
import { seconds, TestClock } from '../../kit/clock.ts'
import { Quorum } from './quorum.ts'

const TOO_FEW = new Error('too few')

function begin() {
  const clock = new TestClock()
  const quorum = new Quorum(clock, error => error === TOO_FEW)
  const tried: string[] = []
  let isThere = true
  const ask = (): Promise<string> =>
    quorum.run(
      async () => {
        tried.push('quorum')
        if (!isThere) throw TOO_FEW
        return 'by a quorum'
      },
      async () => {
        tried.push('one')
        return 'by one'
      },
    )
  return { clock, quorum, ask, tried, is: (there: boolean) => void (isThere = there) }
}

test('with a quorum everything is done by it', async () => {
  const { ask, tried } = begin()

  expect(await Promise.all([ask(), ask()])).toEqual(['by a quorum', 'by a quorum'])
  expect(tried).toEqual(['quorum', 'quorum'])
})

test('without one it is waited for once, and then tried now and then beside', async () => {
  const { clock, ask, tried, is } = begin()
  is(false)
  expect(await ask()).toBe('by one')
  tried.length = 0

  expect(await Promise.all([ask(), ask()])).toEqual(['by one', 'by one'])
  expect(tried).toEqual(['one', 'one'])
  tried.length = 0
  clock.advance(seconds(3))
  await Promise.all([ask(), ask(), ask()])

  expect(tried.toSorted()).toEqual(['one', 'one', 'one', 'quorum'])
})

test('when there is one again everything is done by it', async () => {
  const { clock, ask, is } = begin()
  is(false)
  await ask()
  is(true)
  expect(await ask()).toBe('by one')

  clock.advance(seconds(3))
  expect(await ask()).toBe('by one')

  expect(await ask()).toBe('by a quorum')
})

test('another error is nobody’s business here', async () => {
  const { quorum } = begin()
  const failing = quorum.run(
    () => Promise.reject(new Error('syntax')),
    async () => 'by one',
  )

  await expect(failing).rejects.toThrow('syntax')
  expect(
    await quorum.run(
      async () => 'by a quorum',
      async () => 'by one',
    ),
  ).toBe('by a quorum')
})
