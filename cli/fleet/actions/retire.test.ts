import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TempDir } from '../../../test/support/temp-dir.ts'
import { waitUntil } from '../../../test/support/wait.ts'
import { undrainBy } from '../../operations/undrain.ts'
import { fakeHost, type FakeHost } from '../playbook/fake-host.ts'
import type { NodeShell } from '../ssh/shell.ts'
import { localShell } from '../testing.ts'
import type { DrainLimits, Tools } from './action.ts'
import { retire } from './retire.ts'

const UNIT = 'clearwater-bono.service'

describe('a daemon that is to serve no more', () => {
  let dir: TempDir
  let host: FakeHost
  let shell: NodeShell
  let told: string[]
  beforeEach(() => {
    dir = new TempDir('retire')
    host = fakeHost(dir.path)
    shell = localShell(dir.path, 'bono-2')
    told = []
    writeFileSync(join(dir.path, 'state/active', UNIT), '')
  })
  afterEach(() => {
    dir[Symbol.dispose]()
  })

  function retired(drain: DrainLimits): Promise<void> {
    const change = { action: 'retire' as const, summary: '', unit: UNIT, address: '127.0.0.1', drain }
    const nobody = (): never => {
      throw new Error('nobody asks for this')
    }
    const tools: Tools = {
      ...{ shell, release: undefined, authority: undefined, signal: new AbortController().signal },
      ...{ content: nobody, etcd: nobody, tell: text => void told.push(text) },
    }
    return retire.carryOut(change, tools)
  }
  const isDraining = (): boolean => host.read(`/run/systemd/system/${UNIT}.d/drain.conf`) !== undefined

  test('is stopped once it has nobody left, and not started again for that', async () => {
    await retired({ seconds: 30, then: 'drop' })

    expect(host.calls()).toContain(`systemctl kill --kill-who=main -s QUIT ${UNIT}`)
    expect(host.calls().at(-2)).toBe(`systemctl disable --quiet --now ${UNIT}`)
    expect(isDraining()).toBe(false)
  })

  test('is stopped all the same when its time is over', async () => {
    host.linger(UNIT)

    await retired({ seconds: 1, then: 'drop' })

    expect(host.has('active', UNIT)).toBe(false)
  })

  test('serves again when its time is over, where that is wanted', async () => {
    host.linger(UNIT)

    await expect(retired({ seconds: 1, then: 'abort' })).rejects.toMatchObject({
      code: 'DRAIN_ENDED',
      detail: { why: 'it still served somebody after 1 s' },
    })

    expect(host.has('active', UNIT)).toBe(true)
    expect(host.calls().at(-1)).toBe(`systemctl kill --kill-who=main -s USR1 ${UNIT}`)
    expect(isDraining()).toBe(false)
  })

  test('is waited for beyond its time, where that is wanted', async () => {
    host.linger(UNIT)
    const run = retired({ seconds: 1, then: 'wait' })
    // Each look is followed by half a second of sleep.
    const looks = (): number => host.calls().filter(call => call.includes('is-active')).length
    await waitUntil('its time to be over', () => looks() >= 7)
    expect(host.has('active', UNIT)).toBe(true)

    rmSync(join(dir.path, 'state/active', UNIT))

    await run
  })

  test('serves again when somebody takes it back', async () => {
    host.linger(UNIT)
    const run = retired({ seconds: 30, then: 'drop' })
    run.catch(() => undefined)
    await waitUntil('it to be drained', isDraining)

    expect(await undrainBy(shell)).toEqual(['bono'])

    await expect(run).rejects.toMatchObject({ code: 'DRAIN_ENDED', detail: { why: 'somebody took it back' } })
    expect(host.has('active', UNIT)).toBe(true)
    expect(host.calls()).toContain(`systemctl kill --kill-who=main -s USR1 ${UNIT}`)
    await expect(undrainBy(shell)).rejects.toMatchObject({
      code: 'USAGE',
      message: 'nothing drains on bono-2',
    })
  })

  test('that is gone already is nothing to wait for', async () => {
    rmSync(join(dir.path, 'state/active', UNIT))
    mkdirSync(join(dir.path, 'run'), { recursive: true })

    await retired({ seconds: 30, then: 'drop' })

    expect(host.calls().some(call => call.includes('QUIT'))).toBe(false)
  })
})
