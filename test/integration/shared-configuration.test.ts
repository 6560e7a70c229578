import { rmSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { SharedFileName } from '../../lib/config/shared-file.ts'
import type { EtcdClient } from '../../lib/etcd/client.ts'
import { configurationKey, restartQueueKey } from '../../lib/etcd/layout.ts'
import {
  EMPTY_QUEUE,
  enqueue,
  parseRestartQueue,
  updateRestartQueue,
  type RestartQueue,
} from '../../lib/etcd/restart-queue.ts'
import type { NodeReport } from '../../lib/etcd/node-report.ts'
import { seconds } from '../../lib/kit/clock.ts'
import { EtcdCluster } from '../support/etcd.ts'
import { FollowingNode, SITE } from '../support/following-node.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil } from '../support/wait.ts'

const BASE = 'home_domain=ims.test\nsprout_hostname=sprout.ims.test\nhs_hostname=hs.ims.test:8888\n'
const ROUTES = '{"routes":[{"name":"all","domain":"*","route":["sip:gw.test"]}]}'

describe('the shared configuration on the nodes of a site', () => {
  let cluster: EtcdCluster
  let etcd: EtcdClient
  let folder: TempDir
  let nodes: FollowingNode[] = []
  beforeAll(async () => {
    cluster = await EtcdCluster.start({ members: 3 })
    etcd = cluster.client()
  })
  afterAll(async () => {
    await etcd.close()
    await cluster[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    folder = new TempDir('nodes')
    for (const { key } of (await etcd.getPrefix('/')).items) await etcd.delete(key)
    nodes = []
  })
  afterEach(async () => {
    for (const node of nodes) await node.stop()
    rmSync(folder.path, { recursive: true })
  })

  const add = (address: string, ...daemons: readonly string[]): FollowingNode => {
    const node = new FollowingNode(etcd, folder.path, address, ...daemons)
    nodes.push(node)
    return node
  }
  const put = async (file: SharedFileName, text: string): Promise<number> =>
    (await etcd.put(configurationKey(SITE, file), text)).revision
  const queue = async (): Promise<RestartQueue> => {
    const found = await etcd.get(restartQueueKey(SITE))
    return found === undefined ? EMPTY_QUEUE : parseRestartQueue(found.value.toString())
  }
  const settles = (): Promise<RestartQueue> =>
    waitUntil('the end of the queue', async () => {
      const now = await queue()
      return now.queued.length === 0 ? now : undefined
    })

  test('a file in etcd comes to the node, is reported, and leaves when the node does', async () => {
    const revision = await put('shared_config', BASE)
    const node = add('10.0.0.1', 'sprout')
    await node.startConfig()
    const report = await node.reports('the file', ({ files }) => files.shared_config?.revision === revision)
    expect(report).toMatchObject({ node: 'node-10.0.0.1', daemons: ['sprout'], faults: [] })
    expect(node.file('shared_config')).toBe(BASE)
    expect(JSON.parse(await node.monitoring('/status'))).toMatchObject({ etcd: 'connected', learned: true })
    expect(await node.monitoring('/metrics')).toContain('clearwater_config_refused{file="shared_config"} 0')

    await node.stop()
    expect(await node.report()).toBeUndefined()
  })

  test('a node without a difference disturbs nobody', async () => {
    await put('shared_config', BASE)
    const node = add('10.0.0.1', 'sprout')
    node.edit('shared_config', BASE)
    await node.startConfig()
    await node.reports('the file', ({ files }) => files.shared_config !== undefined)
    const revision = await put('shared_config', `# a remark\n${BASE}`)
    await node.reports('the remark', ({ files }) => files.shared_config?.revision === revision)
    expect(node.file('shared_config')).toContain('# a remark')
    expect(node.units.done).toEqual([])
    expect(await queue()).toEqual(EMPTY_QUEUE)
  })

  test('JSON files reload sprout where there is one', async () => {
    const [first, second] = [add('10.0.0.1', 'sprout', 'bono'), add('10.0.0.2', 'homer')]
    for (const node of nodes) await node.startConfig()
    const revision = await put('bgcf.json', ROUTES)
    for (const node of nodes) {
      await node.reports('the routes', ({ files }) => files['bgcf.json']?.revision === revision)
    }
    expect(first.units.done).toEqual(['reload sprout'])
    expect(second.units.done).toEqual([])
    expect(second.file('bgcf.json')).toBe(ROUTES)
  })

  test('files of filter criteria come likewise, and hostile ones do not', async () => {
    const node = add('10.0.0.1', 'sprout')
    await node.startConfig()
    const good = '<FallbackIFCsSet><!-- none yet --></FallbackIFCsSet>'
    const revision = await put('fallback_ifcs.xml', good)
    await node.reports('the file', ({ files }) => files['fallback_ifcs.xml']?.revision === revision)
    expect(node.file('fallback_ifcs.xml')).toBe(good)
    expect(node.units.done).toEqual(['reload sprout'])

    const bad = await put(
      'fallback_ifcs.xml',
      '<!DOCTYPE x [<!ENTITY a "b">]><FallbackIFCsSet>&a;</FallbackIFCsSet>',
    )
    await node.reports('the refusal', ({ files }) => files['fallback_ifcs.xml']?.refused?.revision === bad)
    expect(node.file('fallback_ifcs.xml')).toBe(good)
  })

  test('a node says that it has a file once its daemons can use it, and what kept one from it', async () => {
    const node = add('10.0.0.1', 'sprout')
    await node.startConfig()
    const faultsAfter = async (text: string): Promise<readonly string[]> => {
      const revision = await put('bgcf.json', text)
      const isThere = ({ files }: NodeReport): boolean => files['bgcf.json']?.revision === revision
      return (await node.reports('the routes', isThere)).faults
    }
    node.units.unusable.set('sprout', 'there is no home_domain')
    expect(await faultsAfter(ROUTES)).toEqual([
      'sprout cannot use its configuration: there is no home_domain',
    ])

    node.units.unusable.clear()
    node.units.deaf.add('sprout')
    expect(await faultsAfter('{ "routes": [] }')).toEqual([
      'sprout has not read its configuration again within 10 s',
    ])

    node.units.deaf.clear()
    expect(await faultsAfter(ROUTES)).toEqual([])
  })

  test('what needs a restart restarts one node at a time, and only those whom it concerns', async () => {
    await put('shared_config', BASE)
    const at: string[] = []
    for (const address of ['10.0.0.1', '10.0.0.2', '10.0.0.3']) {
      const node = add(address, 'sprout', 'homer')
      node.edit('shared_config', BASE)
      node.units.onRestart = () => void queue().then(now => at.push(now.queued[0]?.id ?? ''))
      await node.startConfig()
      await node.startQueue()
    }
    for (const node of nodes) await node.reports('a start', ({ files }) => files.shared_config !== undefined)
    await put('shared_config', `${BASE}sprout_hostname=other.ims.test\n`)
    for (const node of nodes) {
      await waitUntil('a restart', () => node.units.done.includes('restart sprout'), 30_000)
    }
    expect((await settles()).errored).toEqual([])
    expect([...at].sort()).toEqual(nodes.map(node => node.queueId))
    for (const node of nodes) {
      expect(node.units.done.filter(each => each === 'restart sprout')).toHaveLength(1)
    }
  })

  test('a node that is not healthy afterwards stops the roll-out, and the next change brings it along', async () => {
    const [first, second] = [add('10.0.0.1', 'sprout'), add('10.0.0.2', 'sprout')]
    first.units.ill.add('sprout')
    await updateRestartQueue(etcd, restartQueueKey(SITE), empty =>
      enqueue(enqueue(empty, first.queueId), second.queueId),
    )
    for (const node of nodes) await node.startQueue()
    expect((await settles()).errored).toMatchObject([{ id: first.queueId, status: 'FAILURE' }])
    expect(second.units.done).toEqual([])
    expect(JSON.parse(await first.monitoring('/status', 'queue'))).toMatchObject({
      local: 'NO_QUEUE_ERROR',
      global: 'NO_SYNC_ERROR',
      fault: 'sprout is not healthy after its restart',
    })

    first.units.ill.clear()
    await updateRestartQueue(etcd, restartQueueKey(SITE), now => enqueue(now, second.queueId))
    expect((await settles()).errored).toEqual([])
    expect(first.units.done).toEqual(['restart sprout', 'restart sprout'])
    expect(second.units.done).toEqual(['restart sprout'])
  })

  test('what etcd names that is no daemon of the node is not restarted', async () => {
    const node = add('10.0.0.1', 'sprout', 'homer')
    await updateRestartQueue(etcd, restartQueueKey(SITE), empty =>
      enqueue(empty, node.queueId, ['*', 'queue-manager', 'bono', 'sprout']),
    )
    await node.startQueue()
    expect((await settles()).errored).toEqual([])
    expect(node.units.done).toEqual(['restart sprout'])
  })

  test('a forced roll-out goes on after a failure', async () => {
    const [first, second] = [add('10.0.0.1', 'sprout'), add('10.0.0.2', 'sprout')]
    first.units.ill.add('sprout')
    await updateRestartQueue(etcd, restartQueueKey(SITE), empty => ({
      ...enqueue(enqueue(empty, first.queueId), second.queueId),
      force: true,
    }))
    for (const node of nodes) await node.startQueue()
    expect((await settles()).errored).toMatchObject([{ id: first.queueId, status: 'FAILURE' }])
    expect(second.units.done).toEqual(['restart sprout'])
  })

  test('a dead node at the front is passed over, and a forced roll-out goes on behind it', async () => {
    const second = add('10.0.0.2', 'sprout')
    await updateRestartQueue(etcd, restartQueueKey(SITE), empty => ({
      ...enqueue(enqueue(empty, '10.0.0.1-dead'), second.queueId),
      force: true,
    }))
    await second.startQueue(seconds(1))
    expect((await settles()).errored).toMatchObject([{ id: '10.0.0.1-dead', status: 'UNRESPONSIVE' }])
    expect(second.units.done).toEqual(['restart sprout'])
  })

  test('a restart that was broken off is begun again', async () => {
    const node = add('10.0.0.1', 'sprout')
    node.units.ill.add('sprout')
    await updateRestartQueue(etcd, restartQueueKey(SITE), empty => enqueue(empty, node.queueId))
    await node.startQueue()
    await waitUntil('the restart', () => node.units.done.length === 1)
    await node.stop()
    expect((await queue()).queued).toMatchObject([{ status: 'PROCESSING' }])
    node.units.ill.clear()
    await node.startQueue()
    expect((await settles()).errored).toEqual([])
    expect(node.units.done).toEqual(['restart sprout', 'restart sprout'])
  })

  test('an invalid text in etcd reaches no file', async () => {
    const good = await put('shared_config', BASE)
    const node = add('10.0.0.1', 'sprout')
    await node.startConfig()
    await node.reports('the good one', ({ files }) => files.shared_config?.revision === good)
    const bad = await put('shared_config', `${BASE}reg_max_expires=$(reboot)\nno_such_option=1\n`)
    const report = await node.reports(
      'the refusal',
      ({ files }) => files.shared_config?.refused !== undefined,
    )
    expect(report.files.shared_config).toMatchObject({ revision: good, refused: { revision: bad } })
    expect(report.files.shared_config?.refused?.faults.join()).toContain('line 4')
    expect(node.file('shared_config')).toBe(BASE)
    expect(await node.monitoring('/metrics')).toContain('clearwater_config_refused{file="shared_config"} 1')

    const mended = await put('shared_config', BASE)
    const { files } = await node.reports(
      'the mended one',
      each => each.files.shared_config?.revision === mended,
    )
    expect(files.shared_config?.refused).toBeUndefined()
  })

  test('an edit by hand is told, stays until etcd has something newer, and is kept beside then', async () => {
    await put('bgcf.json', ROUTES)
    const node = add('10.0.0.1', 'sprout')
    await node.startConfig()
    await node.reports('the file', ({ files }) => files['bgcf.json'] !== undefined)
    const edited = ROUTES.replace('gw.test', 'mine.test')
    node.edit('bgcf.json', edited)
    await node.reports('the drift', ({ files }) => files['bgcf.json']?.drift !== undefined)
    expect(node.file('bgcf.json')).toBe(edited)

    const newer = ROUTES.replace('gw.test', 'new.test')
    const revision = await put('bgcf.json', newer)
    const { files } = await node.reports('the newer', each => each.files['bgcf.json']?.revision === revision)
    expect(files['bgcf.json']?.drift).toBeUndefined()
    expect(node.file('bgcf.json')).toBe(newer)
    const kept = node.files.find(name => name.startsWith('bgcf.json.hand-edited-'))
    expect(node.file(kept ?? '')).toBe(edited)
  })

  test('what a node missed while it was down is done when it is back', async () => {
    await put('bgcf.json', ROUTES)
    const node = add('10.0.0.1', 'sprout')
    await node.startConfig()
    await node.reports('the file', ({ files }) => files['bgcf.json'] !== undefined)
    await node.stop()
    node.units.done.length = 0
    const revision = await put('bgcf.json', '{"routes":[]}')
    await node.startConfig()
    await node.reports('the file', ({ files }) => files['bgcf.json']?.revision === revision)
    expect(node.units.done).toEqual(['reload sprout'])
  })

  test('a file that only a node has becomes the shared one', async () => {
    const node = add('10.0.0.1', 'sprout')
    node.edit('shared_config', BASE)
    node.edit('enum.json', 'no JSON')
    await node.startConfig()
    const found = await waitUntil('the upload', () => etcd.get(configurationKey(SITE, 'shared_config')))
    expect(found.value.toString()).toBe(BASE)
    await node.reports('the file', ({ files }) => files.shared_config !== undefined)
    expect(await etcd.get(configurationKey(SITE, 'enum.json'))).toBeUndefined()
    expect(await queue()).toEqual(EMPTY_QUEUE)
  })

  test('changes go on while a member of etcd is away, and wait while the majority is', async () => {
    const node = add('10.0.0.1', 'sprout')
    await node.startConfig()
    await cluster.kill(0)
    const first = await put('bgcf.json', ROUTES)
    await node.reports('the file', ({ files }) => files['bgcf.json']?.revision === first)

    await cluster.kill(1)
    await expect(put('bgcf.json', '{"routes":[]}')).rejects.toMatchObject({ code: 'ETCD_UNAVAILABLE' })
    expect(await node.monitoring('/health')).toContain('"status":"ok"')
    expect(node.file('bgcf.json')).toBe(ROUTES)
    cluster.run(0)
    cluster.run(1)
    await cluster.serves()
    const last = await put('bgcf.json', '{"routes":[]}')
    await waitUntil('the change', () => node.file('bgcf.json') === '{"routes":[]}', 30_000)
    await node.reports('the report', ({ files }) => files['bgcf.json']?.revision === last)
  })
})
