import { describe, expect, test } from 'vitest'
import { configurationKey, nodeReportKey, restartQueueKey } from '../../../lib/etcd/layout.ts'
import { EMPTY_QUEUE, formatRestartQueue } from '../../../lib/etcd/restart-queue.ts'
import { deploymentOf } from '../testing/deployment.ts'
import type { NodeDifference } from './diff.ts'
import { waitUntilSettled } from './settle.ts'

const DEPLOYMENT = deploymentOf({ 'bono-1': ['bono'], 'core-1': ['sprout', 'homestead'] })
const REVISION = 7

/** What etcd has of two nodes; the test changes it while somebody waits. */
class Site {
  readonly #values = new Map<string, string>([
    [configurationKey('site1', 'shared_config'), 'max_session_expires=1500\n'],
  ])
  isDown = false

  report(name: string, revision: number): void {
    const node = DEPLOYMENT.nodes.find(each => each.name === name)
    const files = { shared_config: { revision, sha256: '' } }
    const report = { node: name, queueId: `id-${name}`, daemons: [], files, faults: [], at: '' }
    this.#values.set(nodeReportKey('site1', node?.address ?? ''), JSON.stringify(report))
  }

  queue(...names: readonly string[]): void {
    const queued = names.map(name => ({ id: `id-${name}`, status: 'QUEUED' as const }))
    this.#values.set(restartQueueKey('site1'), formatRestartQueue({ ...EMPTY_QUEUE, queued }))
  }

  async get(key: string) {
    return (await this.getPrefix(key)).items.find(item => item.key === key)
  }

  async getPrefix(prefix: string) {
    if (this.isDown) throw new Error('etcd is down')
    const items = [...this.#values].filter(([key]) => key.startsWith(prefix))
    return {
      ...{ revision: REVISION, cluster: 'lab' },
      items: items.map(([key, value]) => ({
        key,
        value: Buffer.from(value),
        revision: REVISION,
        lease: '0',
      })),
    }
  }
}

function wait(
  site: Site,
  onOpen: (open: readonly NodeDifference[]) => void,
  more: { readonly meant?: readonly string[]; readonly deadlineMs?: number } = {},
): Promise<readonly NodeDifference[]> {
  const { signal } = new AbortController()
  return waitUntilSettled(site, { deployment: DEPLOYMENT, deadlineMs: 60_000, signal, onOpen, ...more })
}

describe('waiting until the configuration has settled', () => {
  test('takes no time where every node has it and none is to restart', async () => {
    const site = new Site()
    for (const { name } of DEPLOYMENT.nodes) site.report(name, REVISION)
    const told: unknown[] = []

    expect(await wait(site, open => told.push(open), { deadlineMs: 0 })).toEqual([])
    expect(told).toEqual([])
  })

  test('goes on until a node has reported, taken the file and restarted', async () => {
    const site = new Site()
    site.report('bono-1', REVISION)
    const told: string[] = []
    const outcome = await wait(site, open => {
      told.push(...open.map(({ node, kind }) => `${node} ${kind}`))
      if (told.length === 1) site.report('core-1', REVISION - 1)
      if (told.length === 2) {
        site.report('core-1', REVISION)
        site.queue('core-1')
      }
      if (told.length === 3) site.queue()
    })

    expect(outcome).toEqual([])
    expect(told).toEqual(['core-1 silent', 'core-1 behind', 'core-1 queued'])
  })

  test('has an end, which tells what is left', async () => {
    const site = new Site()
    site.report('bono-1', REVISION)

    expect(await wait(site, () => undefined, { deadlineMs: 0 })).toEqual([
      { site: 'site1', node: 'core-1', kind: 'silent' },
    ])
  })

  test('waits for nobody who was not deployed to and says nothing', async () => {
    const site = new Site()
    site.report('bono-1', REVISION)

    expect(await wait(site, () => undefined, { deadlineMs: 0, meant: ['bono-1'] })).toEqual([])
  })

  test('outlasts an election, and tells of an etcd that stays away', async () => {
    const site = new Site()
    for (const { name } of DEPLOYMENT.nodes) site.report(name, REVISION)
    site.queue('bono-1')
    let asked = 0
    const outcome = wait(site, () => {
      site.isDown = true
      site.queue()
      asked++
      setImmediate(() => {
        site.isDown = false
      })
    })
    expect(await outcome).toEqual([])
    expect(asked).toBe(1)

    site.isDown = true
    await expect(wait(site, () => undefined, { deadlineMs: 0 })).rejects.toThrow('etcd is down')
  })
})
