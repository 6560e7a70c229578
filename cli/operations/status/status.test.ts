import { describe, expect, test } from 'vitest'
import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import { formatStatus } from '../../render/status.ts'
import { deploymentOf } from '../testing/deployment.ts'
import { fakeShells, type FakeNode } from '../testing/fake-nodes.ts'
import { heapAfterCollection } from '../testing/heap.ts'
import type { ConfigurationSeen } from './judge.ts'
import { deploymentStatus, watchDeployment, type DeploymentStatus } from './status.ts'

const SMALL = deploymentOf({
  'bono-1': ['bono'],
  'bono-2': ['bono'],
  'sprout-1': ['sprout', 'ralf'],
  'sprout-2': ['sprout'],
  'homestead-1': ['homestead'],
  'homestead-2': ['homestead'],
})
const IN_SYNC = { nodes: [], settings: [] }

async function statusOf(
  fakes: Readonly<Record<string, FakeNode>>,
  deployment: Deployment = SMALL,
  configuration: () => Promise<ConfigurationSeen> = async () => IN_SYNC,
): Promise<DeploymentStatus> {
  return deploymentStatus({
    deployment,
    deadlineMs: 5_000,
    fleet: {},
    signal: new AbortController().signal,
    open: () => fakeShells(deployment, fakes),
    configuration,
  })
}

const plain = (_style: unknown, text: string): string => text

describe('the status of a deployment', () => {
  test('is a yes to all where all is well', async () => {
    const status = await statusOf({})

    expect(status.serving).toEqual({ verdict: 'yes', why: [] })
    expect(status.redundant).toEqual({ verdict: 'yes', why: [] })
    expect(status.inSync).toEqual({ verdict: 'yes', why: [] })
    expect(status.next).toEqual({ why: 'nothing to do' })
  })

  test('tells of a lost node, that service goes on, and what to do', async () => {
    const status = await statusOf({ 'sprout-1': 'gone' })

    expect(status.serving).toEqual({ verdict: 'partly', why: ['no ralf works; calls go on'] })
    expect(status.redundant).toMatchObject({ verdict: 'no', why: ['only 1 of 2 sprout works'] })
    expect(status.next).toEqual({ command: 'cw check --node sprout-1', why: 'sprout-1 cannot be reached' })
  })

  test('suggests another node of each role that calls need', async () => {
    const deployment = deploymentOf({ a: ['bono'], b: ['sprout', 'homestead'] })
    const { next } = await statusOf({}, deployment)

    expect(next.why).toContain('another node would help: only 1 bono; only 1 sprout; only 1 homestead')
  })

  test('is a no where a function of calls has no daemon left', async () => {
    const status = await statusOf({ 'bono-1': 'gone', 'bono-2': { bono: 'failed' } })

    expect(status.serving).toEqual({ verdict: 'no', why: ['no bono works'] })
  })

  test('leads to the log of a daemon that has failed', async () => {
    const { next } = await statusOf({ 'bono-2': { bono: 'failed' } })

    expect(next).toEqual({ command: 'cw logs --node bono-2 --since 15m', why: 'bono on bono-2 is failed' })
  })

  test('leads first to what calls suffer from', async () => {
    const nextOf = async (fakes: Readonly<Record<string, FakeNode>>) => (await statusOf(fakes)).next.why

    // In the order of the deployment a bono comes first.
    const etcd = { 'bono-1': { etcd: 'activating' } } as const
    const sprouts = { 'sprout-1': { sprout: 'failed' }, 'sprout-2': { sprout: 'inactive' } } as const
    expect(await nextOf({ ...etcd, ...sprouts })).toBe('sprout on sprout-1 is failed')
    expect(await nextOf({ 'bono-1': 'gone', ...sprouts })).toBe('sprout on sprout-1 is failed')
    expect(await nextOf({ 'bono-1': 'gone', 'sprout-1': { sprout: 'failed' } })).toBe(
      'bono-1 cannot be reached',
    )
    expect(await nextOf({ ...etcd, 'sprout-1': { ralf: 'failed' } })).toBe('ralf on sprout-1 is failed')
    expect(await nextOf({ 'bono-1': { bono: 'not well' }, 'sprout-1': { etcd: 'failed' } })).toBe(
      'etcd on sprout-1 is failed',
    )
    expect(await nextOf({ 'bono-1': { etcd: 'not well' }, 'homestead-2': { homestead: 'not well' } })).toBe(
      'homestead on homestead-2 runs and its health page is not well',
    )
  })

  test('is out of sync while a node has yet to restart, and says to wait', async () => {
    const configuration = async () =>
      ({ nodes: [{ site: 'site1', node: 'sprout-1', kind: 'queued' }], settings: [] }) as const
    const { inSync, next } = await statusOf({}, SMALL, configuration)

    expect(inSync).toEqual({ verdict: 'no', why: ['sprout-1: has yet to restart for what it has'] })
    expect(next.command).toBe('cw status --watch')
  })

  test('tells when etcd has no member to lose', async () => {
    const { redundant } = await statusOf({ 'bono-1': { etcd: 'failed' }, 'bono-2': { etcd: 'failed' } })

    expect(redundant.why).toEqual(['3 of 5 etcd members work, the next one lost ends its majority'])
  })

  test('suggests to deploy where nothing is deployed, and to look where nothing is reached', async () => {
    const all = (fake: FakeNode) => Object.fromEntries(SMALL.nodes.map(({ name }) => [name, fake]))

    expect((await statusOf(all('bare'))).next.command).toBe('cw deploy')
    const gone = await statusOf(all('gone'))
    expect(gone.next.command).toBe('cw check')
    expect(gone.serving.verdict).toBe('unknown')
  })

  test('takes a node that never answers for unreachable', async () => {
    const status = await deploymentStatus({
      deployment: deploymentOf({ 'bono-1': ['bono'] }),
      deadlineMs: 50,
      fleet: {},
      signal: new AbortController().signal,
      open: () => fakeShells(SMALL, { 'bono-1': 'gone' }),
      configuration: () => new Promise(() => undefined),
    })

    expect(status.inSync).toEqual({ verdict: 'unknown', why: ['etcd does not answer in time'] })
  })

  test('is one screen', async () => {
    const status = await statusOf({ 'sprout-1': 'gone', 'bono-2': { bono: 'failed' } })

    expect(formatStatus({ ...status, at: '2016-07-04T12:00:00.000Z' }, plain)).toMatchInlineSnapshot(`
      "lab (ims.test) at 2016-07-04 12:00:00 UTC
      serving    partly: no ralf works; calls go on
      redundant  no: only 1 of 2 bono works
                   only 1 of 2 sprout works
      in sync    unknown: sprout-1 cannot be asked
      running    nothing
      next       cw check --node sprout-1  (sprout-1 cannot be reached)

      NODE         ROLES        DAEMONS      RELEASE  CONFIGURATION  DISK  CLOCK
      bono-2       bono         bono failed  1.0.0    in sync        40 %  right
      sprout-1     sprout,ralf  NODE_UNREACHABLE: sprout-1 cannot be reached
      bono-1       bono         5 well       1.0.0    in sync        40 %  right
      sprout-2     sprout       7 well       1.0.0    in sync        40 %  right
      homestead-1  homestead    5 well       1.0.0    in sync        40 %  right
      homestead-2  homestead    4 well       1.0.0    in sync        40 %  right"
    `)
  })
})

describe('200 nodes', () => {
  const roles = ['bono', 'sprout', 'homestead', 'homer', 'ralf'] as const
  const many = deploymentOf(
    Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`n-${index}`, [roles[index % 5]!]])),
  )

  test('are looked at again and again without a growing memory', async () => {
    const stop = new AbortController()
    const request = {
      deployment: many,
      deadlineMs: 5_000,
      fleet: {},
      signal: stop.signal,
      open: () => fakeShells(many, { 'n-7': 'gone' }),
      configuration: async () => IN_SYNC,
    }
    const sizes: number[] = []
    let looks = 0
    for await (const status of watchDeployment({ ...request, intervalMs: 0 })) {
      expect(status.nodes).toHaveLength(200)
      expect(formatStatus(status, plain).split('\n')).toHaveLength(208)
      looks++
      if (looks === 10 || looks === 40) sizes.push(heapAfterCollection())
      if (looks === 40) stop.abort()
    }

    const [early = 0, late = 0] = sizes
    // Thirty looks that were kept would be some 10 MB.
    expect(late - early).toBeLessThan(3 * 1024 * 1024)
  })
})
