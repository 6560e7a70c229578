import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { daemonsOf, healthPortOf, unitOf } from '../../../lib/config/deployment/daemons.ts'
import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import type { NodeShell, RunResult } from '../../fleet/ssh/shell.ts'
import { formatStatus } from '../../render/status.ts'
import type { Shells } from '../shells.ts'
import { deploymentOf } from '../testing/deployment.ts'
import { deploymentStatus, watchDeployment, type DeploymentStatus } from './status.ts'

/** What a fake node answers with: whole, bare, gone; or which of its daemons is in which state. */
type Fake = 'well' | 'bare' | 'gone' | Readonly<Record<string, string>>

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
  fakes: Readonly<Record<string, Fake>>,
  deployment: Deployment = SMALL,
): Promise<DeploymentStatus> {
  return deploymentStatus({
    deployment,
    deadlineMs: 5_000,
    fleet: {},
    signal: new AbortController().signal,
    open: () => shellsOf(deployment, fakes),
    configuration: async () => IN_SYNC,
  })
}

function shellsOf(deployment: Deployment, fakes: Readonly<Record<string, Fake>>): Shells {
  return {
    shell: name => fakeShell(deployment, name, fakes[name] ?? 'well'),
    [Symbol.asyncDispose]: async () => undefined,
  }
}

function fakeShell(deployment: Deployment, name: string, fake: Fake): NodeShell {
  const script = async (): Promise<RunResult> => {
    if (fake === 'gone') throw new CwError('NODE_UNREACHABLE', `${name} cannot be reached`)
    return { code: 0, stdout: answerOf(deployment, name, fake), stderr: '' }
  }
  return { node: name, script, run: script } as unknown as NodeShell
}

function answerOf(deployment: Deployment, name: string, fake: Exclude<Fake, 'gone'>): string {
  const node = deployment.nodes.find(each => each.name === name)!
  const lines = [`cw-fact time ${Date.now()}`, 'cw-fact disk 1000 600']
  if (fake !== 'bare') {
    lines.push('cw-fact release 1.0.0', 'cw-fact manifest lab')
    for (const daemon of daemonsOf(node, deployment)) {
      const state = typeof fake === 'string' ? 'active' : (fake[daemon] ?? 'active')
      const answer = state === 'active' ? 'HTTP/1.1 200 OK\r\n\r\n{"status":"ok","version":"1.0.0"}' : ''
      lines.push(`cw-unit Id=${unitOf(daemon)}`, 'cw-unit LoadState=loaded', `cw-unit ActiveState=${state}`)
      lines.push('cw-unit ', `cw-fact health ${unitOf(daemon)} ${Buffer.from(answer).toString('base64')}`)
      expect(healthPortOf(daemon)).toBeGreaterThan(0)
    }
  }
  return [...lines, 'cw-fact end', ''].join('\n')
}

const plain = (_style: unknown, text: string): string => text

describe('the status of a deployment', () => {
  test('is a yes to everything where all is well', async () => {
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

  test('is a no where a function of calls has no daemon left', async () => {
    const status = await statusOf({ 'bono-1': 'gone', 'bono-2': { bono: 'failed' } })

    expect(status.serving).toEqual({ verdict: 'no', why: ['no bono works'] })
  })

  test('leads to the log of a daemon that has failed', async () => {
    const { next } = await statusOf({ 'bono-2': { bono: 'failed' } })

    expect(next).toEqual({ command: 'cw logs --node bono-2 --since 15m', why: 'bono on bono-2 is failed' })
  })

  test('tells when etcd has no member to lose', async () => {
    const { redundant } = await statusOf({ 'bono-1': { etcd: 'failed' }, 'bono-2': { etcd: 'failed' } })

    expect(redundant.why).toEqual(['3 of 5 etcd members work, the next one lost ends its majority'])
  })

  test('suggests to deploy where nothing is deployed, and to look where nothing is reached', async () => {
    const all = (fake: Fake) => Object.fromEntries(SMALL.nodes.map(({ name }) => [name, fake]))

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
      open: () => ({
        shell: name => fakeShell(SMALL, name, 'gone'),
        [Symbol.asyncDispose]: async () => undefined,
      }),
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
      bono-1       bono         4 well       1.0.0    in sync        40 %  right
      sprout-2     sprout       4 well       1.0.0    in sync        40 %  right
      homestead-1  homestead    4 well       1.0.0    in sync        40 %  right
      homestead-2  homestead    3 well       1.0.0    in sync        40 %  right"
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
      open: () => shellsOf(many, { 'n-7': 'gone' }),
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

function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}
