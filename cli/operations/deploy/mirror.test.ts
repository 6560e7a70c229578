import { expect, test } from 'vitest'
import { mirrorToEtcd } from './mirror.ts'

/** A journal that tells its lines, and an etcd that is there or not. */
function parts() {
  const kept = new Map<string, string>()
  const state = { up: true, tries: 0, time: 0 }
  let tell: (index: number, line: string) => void = () => undefined
  const etcd = {
    put: async (key: string, value: string | Uint8Array) => {
      state.tries++
      if (!state.up) throw new Error('no majority')
      kept.set(key, String(value))
      return { done: true, revision: 1 }
    },
  }
  const mirror = mirrorToEtcd(etcd, 'x', { mirrorTo: listener => (tell = listener) }, () => state.time)
  return { kept, state, mirror, tell: (index: number, line: string) => tell(index, line) }
}

test('what etcd did not take while it was away it gets afterwards, in order', async () => {
  const { kept, state, mirror, tell } = parts()
  tell(0, 'a')
  await mirror.flush()
  state.up = false
  tell(1, 'b')
  tell(2, 'c')
  await mirror.flush()
  expect([...kept.values()]).toEqual(['a'])

  state.up = true
  state.time += 60_000
  tell(3, 'd')
  await mirror.flush()
  expect([...kept.values()]).toEqual(['a', 'b', 'c', 'd'])
  expect([...kept.keys()][3]).toBe('/clearwater/operations/journal/x/000003')
})

test('while etcd is away not every line waits for it', async () => {
  const { state, mirror, tell } = parts()
  state.up = false
  for (let index = 0; index < 100; index++) tell(index, 'x')
  await mirror.flush()
  expect(state.tries).toBe(2)
})
