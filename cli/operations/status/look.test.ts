import {
  readFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { localShell } from '../../fleet/testing.ts'
import { holderOf } from '../../fleet/lock.ts'
import type { NodeShell } from '../../fleet/ssh/shell.ts'
import { lookAt } from './look.ts'

/** An address of this machine that no other test listens on. */
const ADDRESS = '127.83.0.1'
const OPTIONS = { deadlineMs: 20_000, now: Date.now }

describe('a look at a node', () => {
  let root = ''
  const servers: Server[] = []
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'clearwater-look-'))
    mkdirSync(join(root, 'usr/local/bin'), { recursive: true })
  })
  afterEach(async () => {
    rmSync(root, { recursive: true })
    for (const server of servers.splice(0)) {
      server.close()
      await once(server, 'close')
    }
  })

  function fakeSystemctl(output: string): void {
    const file = join(root, 'usr/local/bin/systemctl')
    writeFileSync(file, `#!/bin/sh\ncat <<'END'\n${output}\nEND\n`)
    chmodSync(file, 0o755)
  }

  async function answering(port: number, status: number, body: string): Promise<void> {
    const server = createServer((_request, response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(body)
    })
    servers.push(server)
    server.listen(port, ADDRESS)
    await once(server, 'listening')
  }

  test('tells release, owner, units and health in one round trip', async () => {
    mkdirSync(join(root, 'opt/clearwater/releases/1.2.3'), { recursive: true })
    symlinkSync('/opt/clearwater/releases/1.2.3', join(root, 'opt/clearwater/current'))
    mkdirSync(join(root, 'var/lib/clearwater'), { recursive: true })
    const manifest = JSON.stringify({ format: 1, deployment: 'lab', files: {} }, undefined, 2)
    writeFileSync(join(root, 'var/lib/clearwater/deployed.json'), manifest)
    fakeSystemctl(
      [
        'Id=clearwater-bono.service\nLoadState=loaded\nActiveState=active\nNRestarts=2',
        'NRestarts=0\nId=clearwater-sprout.service\nLoadState=loaded\nActiveState=failed',
        'Id=clearwater-homer.service\nLoadState=not-found\nActiveState=inactive\nNRestarts=0',
      ].join('\n\n'),
    )
    const body = '{"status":"ok","daemon":"bono","version":"1.2.2","restartNeededFor":["a","b"]'
    await answering(9060, 200, `${body},"long":"${'x'.repeat(9000)}"}`)
    await answering(9888, 503, '{"status":"not ready"}')

    const seen = await lookAt(localShell(root), { address: ADDRESS }, ['bono', 'sprout', 'homer'], OPTIONS)

    expect(seen).toMatchObject({ release: '1.2.3', deployment: 'lab' })
    expect(seen.daemons).toEqual([
      {
        ...{ daemon: 'bono', unit: 'active', restarts: 2, health: 'ok', version: '1.2.2' },
        waitsForRestart: ['a', 'b'],
      },
      { daemon: 'sprout', unit: 'failed', restarts: 0, health: 'not well', waitsForRestart: [] },
      { daemon: 'homer', unit: 'absent', restarts: 0, health: 'silent', waitsForRestart: [] },
    ])
    expect(seen.disk?.totalKiB).toBeGreaterThan(seen.disk?.availableKiB ?? Infinity)
    expect(Math.abs(seen.clockAheadMs)).toBeLessThan(10_000)
  })

  test('tells of a bare host that nothing is there', async () => {
    const seen = await lookAt(localShell(root), { address: ADDRESS }, ['bono'], OPTIONS)

    expect(seen.release).toBeUndefined()
    expect(seen.deployment).toBeUndefined()
    expect(seen.holder).toBeUndefined()
    expect(seen.daemons[0]).toMatchObject({ unit: 'absent', health: 'silent' })
  })

  test('tells who holds the operation lock, unless that was left behind', async () => {
    const folder = join(root, 'run/clearwater-operation')
    mkdirSync(folder, { recursive: true })
    const holder = {
      ...{ id: 'one', operation: 'deploy', by: 'ops@desk', since: '2016-07-04T12:00:00Z' },
      machine: readFileSync('/etc/machine-id', 'latin1').trim(),
      process: { pid: 1, started: '1' },
    }
    writeFileSync(join(folder, 'holder'), JSON.stringify(holder))
    const shell = localShell(root)

    expect((await lookAt(shell, { address: ADDRESS }, [], OPTIONS)).holder).toEqual(holder)
    writeFileSync(
      join(folder, 'holder'),
      JSON.stringify({ ...holderOf('two', 'deploy'), process: holder.process }),
    )
    expect((await lookAt(shell, { address: ADDRESS }, [], OPTIONS)).holder).toBeUndefined()
    writeFileSync(join(folder, 'holder'), JSON.stringify(holder))
    utimesSync(join(folder, 'holder'), 1, 1)
    expect((await lookAt(shell, { address: ADDRESS }, [], OPTIONS)).holder).toBeUndefined()
  })

  test('fails where the answer is cut short', async () => {
    const script = async () => ({ code: 0, stdout: 'cw-fact time 1\n', stderr: '' })
    const cut = { node: 'n1', script } as unknown as NodeShell

    await expect(lookAt(cut, { address: ADDRESS }, [], OPTIONS)).rejects.toMatchObject({
      code: 'COMMAND_FAILED',
      message: 'n1 did not answer all questions',
    })
  })
})
