import { expect, test } from 'vitest'
import { KeyedLock } from './keyed-lock.ts'

test('work on a shared key runs in order, other work does not wait, and a failure passes the key on', async () => {
  const lock = new KeyedLock()
  const log: string[] = []
  const gate = Promise.withResolvers<undefined>()

  const first = lock.run(['a', 'b'], async () => {
    await gate.promise
    log.push('ab')
    throw new Error('failed')
  })
  const second = lock.run(['b', 'c'], async () => void log.push('bc'))
  const third = lock.run(['c'], async () => void log.push('c'))
  await lock.run(['d'], async () => void log.push('d'))
  gate.resolve(undefined)

  await expect(first).rejects.toThrow('failed')
  await Promise.all([second, third])
  expect(log).toEqual(['d', 'ab', 'bc', 'c'])
})
