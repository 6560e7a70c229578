import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { cw } from '../testing/run-cw.ts'

/** Nothing listens on the ports of these nodes. */
const FILE = `name: lab
domain: ims.test
ssh: { user: ops, port: 1, known_hosts: known_hosts }
nodes:
  - { name: bono-1, address: 127.83.0.11, roles: [bono] }
  - { name: sprout-1, address: 127.83.0.12, roles: [sprout] }
`

describe('commands on a deployment', () => {
  let folder = ''
  let file = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'clearwater-day-two-'))
    file = join(folder, 'cw.yaml')
    writeFileSync(file, FILE)
  })
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  test('cw status tells of nodes that cannot be reached, on one screen, and ends with 7', async () => {
    const { exit, stdout } = await cw('status', '--file', file, '--timeout', '2')

    expect(exit).toBe(7)
    expect(stdout).toContain('serving    unknown: no node can be reached')
    expect(stdout).toContain('next       cw check')
    expect(stdout).toMatch(/^bono-1 +bono +(NODE_UNREACHABLE|SSH_AUTH_FAILED): /m)
  })

  test('cw status --json keeps its envelope', async () => {
    const { stdout } = await cw('status', '--file', file, '--timeout', '2', '--json')

    expect(JSON.parse(stdout)).toMatchObject({
      status: 'error',
      error: { code: 'NODE_UNREACHABLE' },
      result: { deployment: 'lab', serving: { verdict: 'unknown' }, nodes: [{ name: 'bono-1' }, {}] },
    })
  })

  test('cw check ends with 4 and tells what to do; --list needs no deployment', async () => {
    const { exit, stdout } = await cw('check', '--file', file, '--only', 'REACH')

    expect(exit).toBe(4)
    expect(stdout).toMatch(/^no +REACH +every node can be logged in to by SSH\n/)
    expect(stdout).toContain('next: correct address')
    expect((await cw('check', '--list')).stdout).toContain('PORTS_REACHABLE')
  })

  test('cw exec wants its command behind dashes, and takes flags only before them', async () => {
    expect(await cw('exec', '--file', file)).toMatchObject({
      exit: 2,
      stderr: expect.stringContaining('the command to run is missing') as string,
    })
    const { exit, stdout } = await cw('exec', '--file', file, '--json', '--', 'ls', '--json')
    expect(exit).toBe(7)
    expect(JSON.parse(stdout)).toMatchObject({ result: { nodes: [{ node: 'bono-1' }, {}] } })
  })

  test('a node or a role that is not there is told with the nearest one', async () => {
    expect((await cw('exec', '--file', file, '--node', 'bono-2', '--', 'true')).stderr).toContain(
      'did you mean bono-1?',
    )
    expect((await cw('exec', '--file', file, '--role', 'homer', '--', 'true')).exit).toBe(2)
  })

  test('cw restart asks first', async () => {
    expect(await cw('restart', '--file', file)).toMatchObject({
      exit: 8,
      stderr: expect.stringContaining('NOT_CONFIRMED') as string,
    })
  })

  test('cw ssh ends as ssh does', async () => {
    writeFileSync(join(folder, 'ssh'), '#!/bin/sh\nexit 42\n')
    chmodSync(join(folder, 'ssh'), 0o755)
    vi.stubEnv('PATH', `${folder}:${process.env.PATH ?? ''}`)

    expect((await cw('ssh', 'bono-1', '--file', file, '--', 'ls', '-l')).exit).toBe(42)
    expect((await cw('ssh', 'bono', '--file', file)).stderr).toContain('did you mean bono-1?')
  })

  test('cw dns zone prints a zone, the same for the same serial', async () => {
    const zone = ['dns', 'zone', '--file', file, '--name-server', '192.0.2.53', '--serial', '7']
    const { exit, stdout } = await cw(...zone)

    expect(exit).toBe(0)
    expect(stdout).toContain('sprout-1.ims.test. IN A 127.83.0.12')
    expect(stdout).toContain('_sip._tcp.ims.test. IN SRV')
    expect((await cw(...zone)).stdout).toBe(stdout)
    expect((await cw('dns', 'zone', '--file', file, '--name-server', 'ns1')).exit).toBe(2)
  })
})
