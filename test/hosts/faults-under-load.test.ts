import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PASSWORD } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'
import { deploymentOf, DOMAIN, makeRelease, Operator, told } from './deployment.ts'
import { CASSANDRA_SOURCE } from './lab/cassandra-package.ts'
import type { Host } from './lab/host.ts'
import { Lab } from './lab/lab.ts'
import { SteadyLoad, type LineOptions, type Summary } from './steady-load.ts'

const ROLES = {
  'core-1': ['bono', 'homer'],
  'sprout-1': ['sprout'],
  'sprout-2': ['sprout'],
  'homestead-1': ['homestead'],
  'homestead-2': ['homestead'],
}
/** Whose disk is filled up. */
const FULL = 'homestead-2'
const DISK = 1 << 30
const LINES = 3
const USERS = 4 * LINES
const FIRST = 6505550200

/** What is on its way to somebody who has just gone may be lost; whoever notices it goes elsewhere. */
const UNNOTICED_MS = 12_000
/** What a standstill of two seconds, or a process that starts anew, may cost. */
const BRIEF_MS = 4000
/** What had been begun so shortly before may have been with whoever failed. */
const IN_FLIGHT_MS = 1000
const A_WHILE_MS = 180_000
const BEFORE_MS = 3000
const AFTER_MS = 8000
/** So long that what is full is tried again several times. */
const FULL_MS = 40_000

const pause = (milliseconds: number): Promise<void> =>
  new Promise(resolve => setTimeout(resolve, milliseconds))

describe('under a steady load of registrations and calls', () => {
  let lab: Lab
  const hosts = (...names: readonly string[]): readonly Host[] => names.map(name => lab.host(name))

  const line = (index: number): LineOptions => {
    const [first, second, third, fourth] = [0, 1, 2, 3].map(each => `${FIRST + 4 * index + each}`)
    return {
      name: `line ${index + 1}`,
      bono: lab.host('core-1').address,
      from: lab.addresses[index] ?? '',
      users: [first ?? '', second ?? '', third ?? '', fourth ?? ''],
    }
  }

  /** Has something happen in the middle of a load. @returns the load's summary, and when it happened */
  async function during(
    fault: () => Promise<unknown>,
    after: () => Promise<unknown>,
  ): Promise<Summary & { at: number }> {
    const load = await SteadyLoad.start(Array.from({ length: LINES }, (_, index) => line(index)))
    await pause(BEFORE_MS)
    const at = Date.now()
    await fault()
    await pause(AFTER_MS)
    await after()
    await pause(AFTER_MS)
    return { ...(await load.stop()), at }
  }

  /** What failed although it was not with whoever failed, or could have noticed; nothing in a standing call is lost at all. */
  function unexcused({ failures, at }: Summary & { at: number }, withinMs: number): readonly unknown[] {
    return failures
      .filter(
        each =>
          each.what === 'request in a standing call' ||
          each.at < at - IN_FLIGHT_MS ||
          each.at > at + withinMs,
      )
      .map(each => ({ ...each, at: each.at - at }))
  }

  /** Signals the main process of a unit. */
  const signal = (unit: string, name: string, on: readonly Host[]): Promise<unknown> =>
    Promise.all(
      on.map(host =>
        host.must(`systemctl kill --kill-who=main -s ${name} clearwater-${unit}`, { sudo: true }),
      ),
    )

  const pid = (unit: string, host: Host): Promise<string> =>
    host.must(`systemctl show -P MainPID clearwater-${unit}`)

  const healthy = async (): Promise<void> => {
    for (const [name, port, path] of [
      ['sprout-1', 9888, '/ping'],
      ['sprout-2', 9888, '/ping'],
      ['homestead-1', 8888, '/ping'],
      ['homestead-2', 8888, '/ping'],
    ] as const) {
      const host = lab.host(name)
      const url = `http://${host.address}:${port}${path}`
      await waitUntil(
        `${name} to serve`,
        async () => (await host.run(`curl -sf ${url}`)).code === 0,
        A_WHILE_MS,
      )
    }
    for (const name of ['sprout-1', 'sprout-2']) {
      const host = lab.host(name)
      await waitUntil(
        `${name} to have all registrations`,
        async () =>
          (await host.run(`curl -s http://${host.address}:9074/status`)).stdout.includes('"synchronised"'),
        A_WHILE_MS,
      )
    }
    const [homestead] = hosts('homestead-1')
    await waitUntil(
      'both Cassandras to be up',
      async () => ((await homestead?.run('nodetool status'))?.stdout.match(/^UN /gm) ?? []).length === 2,
      A_WHILE_MS,
    )
  }

  beforeAll(async () => {
    const specs = Object.keys(ROLES).map(name => ({ name, ...(name === FULL ? { diskBytes: DISK } : {}) }))
    lab = await Lab.start({ hosts: specs, layer: 'services' })
    for (const host of hosts('homestead-1', 'homestead-2'))
      await host.must(`echo '${CASSANDRA_SOURCE}' | sudo tee /etc/apt/sources.list.d/cassandra.list`)
    const operator = new Operator(lab, { release: await makeRelease(lab) })
    operator.write(deploymentOf(lab, ROLES))
    const run = await operator.deploy('--yes')
    expect(run.code, told(run)).toBe(0)
    const { address } = lab.host('homestead-1')
    const range = `${FIRST}..${FIRST + USERS - 1} ${DOMAIN} ${PASSWORD}`
    await lab.host('homestead-1').must(`cw user create ${range} --hsprov ${address}:8889`)
  }, 600_000)
  afterAll(async () => {
    await lab.close()
  })

  test('nothing fails while nothing happens', { timeout: 300_000 }, async () => {
    const summary = await during(
      async () => undefined,
      async () => undefined,
    )

    expect(summary.failures).toEqual([])
    expect(Math.min(summary.calls, summary.registrations, summary.requests)).toBeGreaterThan(10)
  })

  test.each([
    ['memcached', 'sprout-1'],
    ['chronos', 'sprout-1'],
    ['sprout', 'sprout-2'],
    ['homestead', 'homestead-1'],
    ['cassandra', 'homestead-2'],
  ])('%s on %s is killed, and comes back by itself', { timeout: 600_000 }, async (unit, name) => {
    const [host] = hosts(name)
    if (host === undefined) throw new Error(name)
    const before = await pid(unit, host)

    const summary = await during(() => signal(unit, 'KILL', [host]), healthy)

    expect(await pid(unit, host)).not.toBe(before)
    expect(unexcused(summary, BRIEF_MS)).toEqual([])
  })

  test.each([
    ['memcached', 'sprout-2'],
    ['chronos', 'sprout-2'],
    ['sprout', 'sprout-1'],
    ['homestead', 'homestead-2'],
    ['cassandra', 'homestead-1'],
  ])('%s on %s stands still for two seconds', { timeout: 600_000 }, async (unit, name) => {
    const standstill = async (): Promise<void> => {
      await signal(unit, 'STOP', hosts(name))
      await pause(2000)
      await signal(unit, 'CONT', hosts(name))
    }
    const summary = await during(standstill, healthy)

    expect(unexcused(summary, BRIEF_MS)).toEqual([])
  })

  test.each(['sprout-1', 'homestead-1'])('%s loses its power', { timeout: 600_000 }, async name => {
    const [host] = hosts(name)
    const summary = await during(
      async () => host?.kill(),
      async () => {
        await pause(AFTER_MS)
        await host?.boot()
        await healthy()
      },
    )

    expect(unexcused(summary, UNNOTICED_MS)).toEqual([])
  })

  test.each(['sprout-2', 'homestead-2'])('%s is unplugged for a while', { timeout: 600_000 }, async name => {
    const [host] = hosts(name)
    const summary = await during(
      async () => host?.unplug(),
      async () => {
        await pause(AFTER_MS)
        await host?.plug()
        await healthy()
      },
    )

    expect(unexcused(summary, UNNOTICED_MS)).toEqual([])
  })

  test('the disk under a Cassandra is full, and is made room on', { timeout: 600_000 }, async () => {
    const [host] = hosts(FULL)
    const filler = '/var/lib/clearwater-cassandra/filler'

    const summary = await during(
      // What is left is taken too, bit by bit.
      async () =>
        host?.run(`dd if=/dev/zero of=${filler} bs=1M; dd if=/dev/zero of=${filler}2 bs=4k`, { sudo: true }),
      async () => {
        const left = await host?.must('df --output=avail /var/lib/clearwater-cassandra | tail -1')
        expect(Number(left)).toBeLessThan(1000)
        await pause(FULL_MS)
        await host?.must(`rm ${filler} ${filler}2`, { sudo: true })
        await healthy()
      },
    )

    // Cassandra that tries to start takes one of the lab's two processors, and somebody may be late for it.
    expect(unexcused(summary, Infinity)).toEqual([])
    expect(summary.failures.length, JSON.stringify(summary.failures)).toBeLessThan(4)
  })

  test(
    'after all hosts have lost their power at once, telephones register and call',
    { timeout: 600_000 },
    async () => {
      await Promise.all(lab.hosts.map(host => host.kill()))
      await lab.boot()
      await healthy()

      const load = await SteadyLoad.start([line(0)])
      await pause(AFTER_MS)
      const summary = await load.stop()

      expect(summary.failures).toEqual([])
      expect(summary.calls).toBeGreaterThan(3)
    },
  )
})
