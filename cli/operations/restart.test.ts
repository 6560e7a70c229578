import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { localShell } from '../fleet/testing.ts'
import { restartDaemons, restartTargets, type RestartReport } from './restart.ts'
import { deploymentOf } from './testing/deployment.ts'

const DEPLOYMENT = deploymentOf({
  'bono-1': ['bono'],
  'sprout-1': ['sprout', 'ralf'],
  'sprout-2': ['sprout'],
})

describe('what is restarted', () => {
  test('is everything but etcd, on all nodes, a node at a time', () => {
    expect(restartTargets(DEPLOYMENT, DEPLOYMENT.nodes, undefined)).toEqual([
      { node: 'bono-1', daemons: ['bono', 'config-manager', 'queue-manager', 'cluster-manager'] },
      {
        node: 'sprout-1',
        daemons: [
          'sprout',
          'ralf',
          'config-manager',
          'queue-manager',
          'cluster-manager',
          'astaire',
          'chronos',
        ],
      },
      {
        node: 'sprout-2',
        daemons: ['sprout', 'config-manager', 'queue-manager', 'cluster-manager', 'astaire', 'chronos'],
      },
    ])
  })

  test('is one daemon where it is named, etcd too', () => {
    expect(restartTargets(DEPLOYMENT, DEPLOYMENT.nodes, 'sprout').map(({ node }) => node)).toEqual([
      'sprout-1',
      'sprout-2',
    ])
    expect(restartTargets(DEPLOYMENT, DEPLOYMENT.nodes, 'etcd')).toHaveLength(3)
    expect(() => restartTargets(DEPLOYMENT, DEPLOYMENT.nodes, 'homer')).toThrow(/homer runs on none/)
  })
})

describe('a restart', () => {
  let folder = ''
  const servers: Server[] = []
  const told: string[] = []
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'clearwater-restart-'))
    told.length = 0
    for (const { name } of DEPLOYMENT.nodes) {
      mkdirSync(join(folder, name, 'usr/local/bin'), { recursive: true })
      mkdirSync(join(folder, name, 'run'))
      fakeSystemctl(name, `echo "$*" >> ${folder}/${name}/calls`)
    }
  })
  afterEach(async () => {
    rmSync(folder, { recursive: true })
    for (const server of servers.splice(0)) {
      server.close()
      await once(server, 'close')
    }
  })

  function fakeSystemctl(node: string, text: string): void {
    const file = join(folder, node, 'usr/local/bin/systemctl')
    writeFileSync(file, `#!/bin/sh\n${text}\n`)
    chmodSync(file, 0o755)
  }

  async function healthy(...nodes: readonly string[]): Promise<void> {
    for (const node of DEPLOYMENT.nodes.filter(({ name }) => nodes.includes(name))) {
      const server = createServer((_request, response) => response.end('{"status":"ok"}'))
      servers.push(server)
      server.listen(9888, node.address)
      await once(server, 'listening')
    }
  }

  async function restart(signal = new AbortController().signal): Promise<RestartReport> {
    return restartDaemons({
      ...{ deployment: DEPLOYMENT, healthySeconds: 1, fleet: {}, signal },
      targets: restartTargets(DEPLOYMENT, DEPLOYMENT.nodes, 'sprout'),
      onNode: ({ node }, state) => told.push(`${node} ${state}`),
      open: () => ({
        shell: name => localShell(join(folder, name), name),
        [Symbol.asyncDispose]: async () => undefined,
      }),
    })
  }

  test('goes on to the next node once the last is healthy', async () => {
    await healthy('sprout-1', 'sprout-2')
    const { restarted, error } = await restart()

    expect(error).toBeUndefined()
    expect(restarted).toHaveLength(2)
    expect(told).toEqual(['sprout-1 restarts', 'sprout-1 is back', 'sprout-2 restarts', 'sprout-2 is back'])
    expect(readFileSync(join(folder, 'sprout-2/calls'), 'utf8')).toContain(
      'restart clearwater-sprout.service',
    )
  })

  test('ends at a node that does not come back, and says which are left', async () => {
    await healthy('sprout-2')
    const { restarted, left, error } = await restart()

    expect(error).toMatchObject({
      code: 'NOT_HEALTHY',
      message: expect.stringContaining('sprout-1') as string,
    })
    expect(restarted).toEqual([])
    expect(left.map(({ node }) => node)).toEqual(['sprout-2'])
    expect(told).toEqual(['sprout-1 restarts'])
  })

  test('tells why a unit did not start', async () => {
    fakeSystemctl('sprout-1', 'case $1 in restart) echo "Job failed" >&2; exit 1 ;; esac')

    expect((await restart()).error).toMatchObject({
      code: 'UNIT_FAILED',
      message: 'sprout on sprout-1 did not restart',
      detail: { why: 'Job failed' },
    })
  })

  test('holds the operation lock, and gives it back', async () => {
    await healthy('sprout-1', 'sprout-2')
    const [first, second] = await Promise.allSettled([restart(), restart()])

    const lost = [first, second].filter(each => each.status === 'rejected')
    for (const { reason } of lost) expect(reason).toMatchObject({ code: 'LOCKED' })
    expect(lost.length).toBeGreaterThan(0)
    expect((await restart()).error).toBeUndefined()
  })

  test('that is interrupted says what is left', async () => {
    expect(await restart(AbortSignal.abort())).toMatchObject({
      restarted: [],
      error: { code: 'INTERRUPTED' },
    })
  })
})
