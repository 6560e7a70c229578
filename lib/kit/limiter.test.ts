import { describe, expect, test } from 'vitest'
import { Limiter } from './limiter.ts'

describe('a limiter', () => {
  test('lets no more inside than it has places, in the order they came', async () => {
    const limiter = new Limiter(2)
    const order: number[] = []
    let inside = 0
    let most = 0
    await Promise.all(
      [1, 2, 3, 4, 5].map(number =>
        limiter.run(async () => {
          most = Math.max(most, ++inside)
          order.push(number)
          await Promise.resolve()
          inside--
        }),
      ),
    )
    expect(most).toBe(2)
    expect(order).toEqual([1, 2, 3, 4, 5])
  })

  test('whoever stops waiting takes no place, and giving back twice makes none', async () => {
    const limiter = new Limiter(1)
    const release = await limiter.acquire()
    const gone = new AbortController()
    const waiting = limiter.acquire(gone.signal)
    gone.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')

    release()
    release()
    await limiter.acquire()
    const next = limiter.acquire()
    expect(await Promise.race([next.then(() => 'inside'), Promise.resolve('waiting')])).toBe('waiting')
  })
})
