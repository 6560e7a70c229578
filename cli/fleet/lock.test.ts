import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { holderOf, OperationLock, type LockHolder } from './lock.ts'
import { localShell } from './testing.ts'

describe('the operation lock on voters', () => {
  let folder = ''
  const voters = (names: readonly string[]): ReturnType<typeof localShell>[] =>
    names.map(name => localShell(join(folder, name), name))
  const lockOn = (voter: string): string => join(folder, voter, 'run/clearwater-operation')
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'clearwater-lock-'))
    for (const name of ['a', 'b', 'c']) mkdirSync(join(folder, name, 'run'), { recursive: true })
  })
  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  test('is held by one operation, and tells the other which, whose and since when', async () => {
    const first = await OperationLock.acquire(holderOf('one', 'deploy', new Date(0)), voters(['a', 'b', 'c']))
    const second = OperationLock.acquire(holderOf('two', 'destroy'), voters(['a', 'b', 'c']))

    await expect(second).rejects.toMatchObject({
      code: 'LOCKED',
      message: expect.stringMatching(
        /^cw deploy of \S+@\S+ works .* since 1970-01-01T00:00:00.000Z$/,
      ) as string,
    })
    await first.release()
    const third = await OperationLock.acquire(holderOf('three', 'deploy'), voters(['a', 'b', 'c']))
    expect(readFileSync(join(lockOn('a'), 'id'), 'utf8')).toBe('three')
    await third.release()
    expect(existsSync(lockOn('a'))).toBe(false)
  })

  test('goes to at most one of many that come at the same moment', async () => {
    const attempts = await Promise.allSettled(
      Array.from({ length: 5 }, (_, index) =>
        OperationLock.acquire(holderOf(`${index}`, 'deploy'), voters(['a', 'b', 'c'])),
      ),
    )
    const won = attempts.filter(each => each.status === 'fulfilled')

    expect(won.length).toBeLessThanOrEqual(1)
    for (const each of won) await each.value.release()
    const later = await OperationLock.acquire(holderOf('later', 'deploy'), voters(['a', 'b', 'c']))
    await later.release()
  })

  test('that is stale goes to at most one of many that come at the same moment', async () => {
    for (const name of ['a', 'b', 'c']) {
      mkdirSync(lockOn(name))
      writeFileSync(join(lockOn(name), 'holder'), JSON.stringify(elsewhere('gone')))
      utimesSync(join(lockOn(name), 'holder'), 0, 0)
    }
    const attempts = await Promise.allSettled(
      Array.from({ length: 5 }, (_, index) =>
        OperationLock.acquire(holderOf(`${index}`, 'deploy'), voters(['a', 'b', 'c'])),
      ),
    )
    expect(attempts.filter(each => each.status === 'fulfilled').length).toBeLessThanOrEqual(1)
  })

  test('of a machine that only has the same name as this one is not taken over', async () => {
    const process = { pid: 999_999_999, started: 'long ago' }
    await OperationLock.acquire({ ...holderOf('one', 'deploy'), machine: 'another', process }, voters(['a']))

    const second = OperationLock.acquire(holderOf('two', 'deploy'), voters(['a']))
    await expect(second).rejects.toMatchObject({ code: 'LOCKED' })
  })

  test('is held by who holds most of the voters', async () => {
    mkdirSync(lockOn('c'))
    writeFileSync(join(lockOn('c'), 'holder'), JSON.stringify(elsewhere('other')))
    const lock = await OperationLock.acquire(holderOf('one', 'deploy'), voters(['a', 'b', 'c']))

    await lock.release()
    expect(existsSync(lockOn('c'))).toBe(true)
  })

  test('of an operation that was killed on this machine is taken over at once', async () => {
    const killed = { ...holderOf('killed', 'deploy'), process: { pid: 999_999_999, started: 'long ago' } }
    await OperationLock.acquire(killed, voters(['a', 'b', 'c']))

    const next = await OperationLock.acquire(holderOf('next', 'deploy'), voters(['a', 'b', 'c']))
    await next.release()
  })

  test('of a machine that was not heard of for long is taken over', async () => {
    for (const name of ['a', 'b', 'c']) {
      mkdirSync(lockOn(name))
      writeFileSync(join(lockOn(name), 'holder'), JSON.stringify(elsewhere('gone')))
      utimesSync(join(lockOn(name), 'holder'), 0, 0)
    }
    const next = await OperationLock.acquire(holderOf('next', 'deploy'), voters(['a', 'b', 'c']))

    expect(readFileSync(join(lockOn('a'), 'id'), 'utf8')).toBe('next')
    await next.release()
  })

  test('tells its holder when another has taken it over', async () => {
    const lock = await OperationLock.acquire(holderOf('one', 'deploy'), voters(['a']), {
      leaseSeconds: 30,
      staleSeconds: 90,
      touchSeconds: 0.02,
    })
    const lost = new Promise(resolve => {
      lock.lost.addEventListener('abort', resolve)
    })
    writeFileSync(join(lockOn('a'), 'id'), 'other')

    await lost
    await lock.release()
    expect(existsSync(lockOn('a'))).toBe(true)
  })
})

function elsewhere(id: string): LockHolder {
  return { ...holderOf(id, 'deploy'), by: 'ops@elsewhere' }
}
