import { describe, expect, onTestFinished, test } from 'vitest'
import { startChronos, type RunningChronos } from '../../daemons/chronos/chronos.ts'
import { addTimerRoute } from '../../daemons/sprout/timers-api.ts'
import { HttpServer } from '../../lib/http/server.ts'
import { seconds, TimerWheel, type Clock } from '../../lib/kit/clock.ts'
import { Graylist } from '../../lib/kit/graylist.ts'
import { openLog } from '../../lib/kit/log.ts'
import { ChronosTimers } from '../../lib/timers/chronos/client.ts'
import { timerServiceContract } from '../../lib/timers/contract.ts'
import { freePort } from '../support/ports.ts'
import { waitUntil } from '../support/wait.ts'

const log = openLog('silent')

function realClock(): Clock {
  const clock = new TimerWheel(error => expect.fail(String(error)))
  onTestFinished(() => clock.close())
  return clock
}

/** Chronos nodes on addresses of their own, each of which can be stopped and started again, empty. */
class ChronosCluster {
  readonly clock: Clock
  readonly port: number
  readonly #nodes = new Map<string, RunningChronos>()

  constructor(clock: Clock, port: number) {
    this.clock = clock
    this.port = port
  }

  static async start(clock: Clock, nodes: readonly string[]): Promise<ChronosCluster> {
    const cluster = new ChronosCluster(clock, await freePort())
    for (const node of nodes) await cluster.run(node, nodes)
    return cluster
  }

  async run(node: string, nodes: readonly string[], leaving: readonly string[] = []): Promise<void> {
    const { clock, port } = this
    const servers = {
      lookup: async () => ['127.0.0.1'],
      graylist: new Graylist({ clock, blackFor: seconds(1) }),
    }
    const view = { local: node, nodes, leaving }
    this.#nodes.set(node, await startChronos({ bind: node, port, view, clock, log, servers }))
  }

  /** Has all that run go by this list. */
  change(nodes: readonly string[]): void {
    for (const [local, running] of this.#nodes) {
      const leaving = [...this.#nodes.keys()].filter(node => !nodes.includes(node))
      running.follow({ local, nodes, leaving })
    }
  }

  async stop(node: string): Promise<void> {
    const running = this.#nodes.get(node)
    this.#nodes.delete(node)
    await running?.close()
  }

  timersOn(node: string): number {
    return Number(this.#nodes.get(node)?.status().timers ?? 0)
  }

  isSynchronised(node: string): boolean {
    return this.#nodes.get(node)?.status().synchronised === true
  }

  figure(node: string, name: string): number {
    return (
      this.#nodes
        .get(node)
        ?.metrics()
        .find(each => each.name === `clearwater_chronos_${name}`)?.samples[0]?.value ?? 0
    )
  }

  origin(node: string): string {
    return `http://${node}:${this.port}`
  }

  async close(): Promise<void> {
    for (const node of [...this.#nodes.keys()]) await this.stop(node)
  }
}

/** Somebody whose timers pop: the bodies that were posted, and what they are answered. */
async function calledBack(answer: (body: string) => number | Promise<number> = () => 200) {
  const bodies: string[] = []
  const sequences: (string | undefined)[] = []
  const server = new HttpServer({ log })
  server.route('/pop', {
    POST: async ({ body, headers }) => {
      bodies.push(body)
      sequences.push(headers['x-sequence-number']?.toString())
      return { status: await answer(body) }
    },
  })
  const port = await server.listen('127.0.0.1', 0)
  onTestFinished(() => server.close())
  return { bodies, sequences, uri: `http://127.0.0.1:${port}/pop` }
}

timerServiceContract('chronos', async clock => {
  const cluster = await ChronosCluster.start(clock, ['127.0.0.11'])
  const server = new HttpServer({ log })
  const port = await freePort()
  const timers = new ChronosTimers({
    ...{ origin: cluster.origin('127.0.0.11'), clock, log },
    callback: `http://127.0.0.1:${port}/timers`,
  })
  addTimerRoute(server, timers, log)
  await server.listen('127.0.0.1', port)
  return {
    service: timers,
    close: async () => {
      await timers.close()
      await cluster.close()
      await server.close()
    },
  }
})

describe('the HTTP interface', () => {
  const NODE = '127.0.0.11'
  async function opened(): Promise<{
    origin: string
    ask: (method: string, path: string, body?: unknown) => Promise<Response>
  }> {
    const cluster = await ChronosCluster.start(realClock(), [NODE])
    onTestFinished(() => cluster.close())
    const origin = cluster.origin(NODE)
    return {
      origin,
      ask: (method, path, body) =>
        fetch(origin + path, {
          method,
          ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
        }),
    }
  }

  const timer = (uri: string, interval = 1) => ({
    timing: { interval },
    callback: { http: { uri, opaque: 'x' } },
  })

  test('sets, replaces and deletes timers, and says where they are', async () => {
    const { ask } = await opened()
    const { uri, bodies } = await calledBack()

    const made = await ask('POST', '/timers', timer(uri, 60))
    expect(made.status).toBe(200)
    const location = made.headers.get('location') ?? ''
    expect(location).toMatch(/^\/timers\/[0-9a-f]{16}-2$/)
    const replaced = await ask('PUT', location, timer(uri, 1))
    expect([replaced.status, replaced.headers.get('location')]).toEqual([200, location])
    await waitUntil('the pop', () => bodies.length > 0)
    for (const path of [location, '/timers/00000000000000aa-2']) {
      const deleted = await ask('DELETE', path)
      expect([deleted.status, deleted.headers.get('location')]).toEqual([200, path])
    }
    expect((await ask('POST', '/timers/', timer(uri, 60))).status).toBe(200)
    expect(await (await ask('GET', '/ping')).text()).toBe('OK')
  })

  test.each([
    ['POST', '/timers', 'nonsense', 400],
    ['POST', '/timers', { timing: {} }, 400],
    ['PUT', '/timers/00000000000000aa-2', '{', 400],
    [
      'PUT',
      '/timers/00000000000000aa-2',
      { ...timer('http://a/'), reliability: { 'replication-factor': 3 } },
      400,
    ],
    ['PUT', '/timers/short-2', timer('http://a/'), 404],
    ['DELETE', '/timers/short', undefined, 404],
    ['DELETE', '/timers', undefined, 405],
    ['POST', '/timers/00000000000000aa-2', timer('http://a/'), 405],
    ['GET', '/timers', undefined, 400],
    ['GET', '/timers?sync-mode=SCALE&node-for-replicas=127.0.0.11&cluster-view-id=other', undefined, 400],
    ['GET', '/elsewhere', undefined, 404],
  ])('%s %s with %j is answered %d', async (method, path, body, status) => {
    const { ask } = await opened()

    expect((await ask(method, path, body)).status).toBe(status)
  })

  test('a timer pops as often as it is to, each pop with its number', async () => {
    const { ask } = await opened()
    const { uri, sequences } = await calledBack()

    await ask('POST', '/timers', { ...timer(uri), timing: { interval: 1, 'repeat-for': 3 } })

    await waitUntil('three pops', () => sequences.length === 3)
    await new Promise(resolve => setTimeout(resolve, 1500))
    expect(sequences).toEqual(['1', '2', '3'])
  })
})

describe('three nodes', () => {
  const NODES = ['127.0.0.11', '127.0.0.12', '127.0.0.13']
  const idOf = (index: number): string => index.toString(16).padStart(16, '0')

  async function started(nodes = NODES): Promise<ChronosCluster> {
    const cluster = await ChronosCluster.start(realClock(), nodes)
    onTestFinished(() => cluster.close())
    return cluster
  }

  /** Sets so many timers that pop then, by whichever node. */
  async function fill(cluster: ChronosCluster, count: number, uri: string, interval: number): Promise<void> {
    await Promise.all(
      Array.from({ length: count }, async (_, index) => {
        const body = JSON.stringify({
          timing: { interval },
          callback: { http: { uri, opaque: `${index}` } },
          statistics: { 'tag-info': [{ type: 'T' }] },
        })
        const node = NODES[index % 2] ?? ''
        const answer = await fetch(`${cluster.origin(node)}/timers/${idOf(index)}-2`, { method: 'PUT', body })
        expect(answer.status).toBe(200)
      }),
    )
  }

  const all = (count: number): string[] => Array.from({ length: count }, (_, index) => `${index}`).sort()

  test('have each timer twice, pop each once, and add up to all there are', async () => {
    const cluster = await started()
    const { uri, bodies } = await calledBack()
    await fill(cluster, 120, uri, 2)
    await waitUntil(
      'two copies of each',
      () => NODES.reduce((sum, node) => sum + cluster.timersOn(node), 0) === 240,
    )
    expect(NODES.reduce((sum, node) => sum + cluster.figure(node, 'own_timers'), 0)).toBe(120)

    await waitUntil('all pops', () => bodies.length >= 120)
    // Replicas behind the first would come two seconds later.
    await new Promise(resolve => setTimeout(resolve, 3000))

    expect(bodies.toSorted()).toEqual(all(120))
  })

  test('when one dies its timers pop at the next', async () => {
    const cluster = await started()
    const { uri, bodies } = await calledBack()
    await fill(cluster, 60, uri, 2)
    await waitUntil(
      'two copies of each',
      () => NODES.reduce((sum, node) => sum + cluster.timersOn(node), 0) === 120,
    )

    await cluster.stop('127.0.0.11')

    await waitUntil('all pops', () => new Set(bodies).size === 60)
    expect(bodies.toSorted()).toEqual(all(60))
  })

  test('one that comes back empty is given what it should have', async () => {
    const cluster = await started()
    const { uri, bodies } = await calledBack()
    await fill(cluster, 150, uri, 6)
    await waitUntil(
      'two copies of each',
      () => NODES.reduce((sum, node) => sum + cluster.timersOn(node), 0) === 300,
    )
    const before = cluster.timersOn('127.0.0.12')
    await cluster.stop('127.0.0.12')

    await cluster.run('127.0.0.12', NODES)

    await waitUntil('it to have them', () => cluster.timersOn('127.0.0.12') === before)
    await cluster.stop('127.0.0.11')
    await cluster.stop('127.0.0.13')
    const own = cluster.timersOn('127.0.0.12')
    await waitUntil('what it has to pop', () => bodies.length >= own, 20_000)
  })

  test('a deleted timer pops nowhere, one that is replaced once', async () => {
    const cluster = await started()
    const { uri, bodies } = await calledBack()
    await fill(cluster, 40, uri, 3)
    for (let index = 0; index < 40; index += 2)
      await fetch(`${cluster.origin('127.0.0.13')}/timers/${idOf(index)}-2`, { method: 'DELETE' })
    await fill(cluster, 1, uri, 3)

    await waitUntil('the pops', () => bodies.length >= 21)
    await new Promise(resolve => setTimeout(resolve, 3000))
    expect(bodies.toSorted()).toEqual(['0', ...all(40).filter(each => Number(each) % 2 === 1)].sort())
  })

  test('a pop that is refused is tried by the next one', async () => {
    const cluster = await started()
    const refused = new Set<string>()
    const { uri, bodies } = await calledBack(body => {
      if (refused.has(body)) return 200
      refused.add(body)
      return 500
    })
    await fill(cluster, 20, uri, 1)

    await waitUntil('all to be taken', () => bodies.length >= 40)
    await new Promise(resolve => setTimeout(resolve, 2500))
    expect(bodies).toHaveLength(40)
  })

  test('a third one joins and one leaves, and each timer pops once', async () => {
    const cluster = await started(NODES.slice(0, 2))
    const { uri, bodies } = await calledBack()
    await fill(cluster, 100, uri, 5)
    await cluster.run('127.0.0.13', NODES)
    cluster.change(NODES)
    await waitUntil('the third one to have its share', () => cluster.timersOn('127.0.0.13') > 40)
    await waitUntil('all to know', () => NODES.every(node => cluster.isSynchronised(node)))

    const left = NODES.slice(1)
    cluster.change(left)
    await waitUntil('the first one to have none', () => cluster.timersOn('127.0.0.11') === 0)
    await cluster.stop('127.0.0.11')

    await waitUntil('all pops', () => new Set(bodies).size === 100)
    await new Promise(resolve => setTimeout(resolve, 3000))
    expect(bodies.toSorted()).toEqual(all(100))
  })
})

test('while no chronos answers, timers are kept in the process', async () => {
  const timers = new ChronosTimers({
    ...{
      origin: `http://127.0.0.1:${await freePort()}`,
      callback: 'http://127.0.0.1:9/',
      clock: realClock(),
      log,
    },
  })
  onTestFinished(() => timers.close())
  const pops: string[] = []
  timers.onPop('a', async pop => void pops.push(pop.opaque))

  await timers.set('a', 'one', seconds(1), 'x')

  await waitUntil('the pop', () => pops.length === 1)
})

describe('two sites with a chronos each', () => {
  const [EAST, WEST] = ['127.0.0.21', '127.0.0.22'] as const

  /** Both sites' clusters, a sprout of the east, and one of the west that would be told if a timer popped there. */
  async function bothSites() {
    const clock = realClock()
    const east = await ChronosCluster.start(clock, [EAST])
    const west = await ChronosCluster.start(clock, [WEST])
    const server = new HttpServer({ log })
    const port = await freePort()
    const timers = new ChronosTimers({
      ...{ origin: east.origin(EAST), clock, log },
      // One of the other site's nodes is off.
      otherSite: [`http://127.0.0.1:${await freePort()}`, west.origin(WEST)],
      callback: `http://127.0.0.1:${port}/timers`,
    })
    addTimerRoute(server, timers, log)
    await server.listen('127.0.0.1', port)
    onTestFinished(async () => {
      await timers.close()
      for (const each of [east, west]) await each.close()
      await server.close()
    })
    const pops: string[] = []
    timers.onPop('a', async pop => void pops.push(pop.opaque))
    return { east, west, timers, pops }
  }

  test('have each timer, and lose it together', async () => {
    const { east, west, timers } = await bothSites()
    await timers.set('a', 'one', seconds(100), 'x')
    await waitUntil('both to have it', () => east.timersOn(EAST) === 1 && west.timersOn(WEST) === 1)

    await timers.cancel('a', 'one')

    await waitUntil('both to have none', () => east.timersOn(EAST) === 0 && west.timersOn(WEST) === 0)
  })

  test('when one is gone the other pops its timers, some seconds later', async () => {
    const { east, west, timers, pops } = await bothSites()
    await timers.set('a', 'one', seconds(1), 'x')
    await waitUntil('the other to have it', () => west.timersOn(WEST) === 1)
    await east.stop(EAST)
    const gone = performance.now()

    await waitUntil('the pop', () => pops.length > 0, 30_000)

    expect(pops).toEqual(['x'])
    expect(performance.now() - gone).toBeGreaterThan(3000)
  })

  test('a timer that is set anew when it pops is set anew at both, and does not pop twice', async () => {
    const { timers, pops } = await bothSites()
    timers.onPop('b', async ({ id, opaque }) => {
      pops.push(opaque)
      if (pops.length === 1) await timers.set('b', id, seconds(60), opaque)
    })
    await timers.set('b', 'one', seconds(1), 'x')

    await new Promise(resolve => setTimeout(resolve, 9000))

    expect(pops).toEqual(['x'])
  })
})
