import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { openSsh, sshArguments } from './ssh.ts'
import { deploymentOf } from './testing/deployment.ts'

const [NODE] = deploymentOf({ a: [] }).nodes
const node = { ...NODE!, ssh: { user: 'ops', port: 2222, identityFile: '/keys/my id', knownHosts: '/100%' } }

describe('the system’s ssh', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  test('is called with user, port, key and known_hosts of the deployment file', () => {
    expect(sshArguments(node, undefined)).toEqual([
      ...['-l', 'ops', '-p', '2222', '-i', '/keys/my id', '-o', 'UserKnownHostsFile="/100%%"'],
      ...['--', '127.83.1.1'],
    ])
  })

  test('takes the key along to a jump host', () => {
    const { knownHosts: _, ...ssh } = { ...node.ssh, jump: 'gate@bastion:2022' }
    const proxy = sshArguments({ ...node, ssh }, undefined).find(each => each.startsWith('ProxyCommand='))

    expect(proxy).toBe(
      `ProxyCommand='ssh' '-l' 'gate' '-p' '2022' '-i' '/keys/my id' '-W' '[%h]:%p' '--' 'bastion'`,
    )
  })

  test('gets a command as one line that means exactly its words', () => {
    expect(sshArguments(node, ['echo', "it's", '$HOME']).at(-1)).toBe(String.raw`'echo' 'it'\''s' '$HOME'`)
  })

  test('says how it ended, and that it is not there', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'clearwater-ssh-'))
    vi.stubEnv('PATH', folder)
    await expect(openSsh(node, undefined)).rejects.toMatchObject({ code: 'PREREQUISITE_MISSING' })

    writeFileSync(join(folder, 'ssh'), '#!/bin/sh\nexit 42\n')
    chmodSync(join(folder, 'ssh'), 0o755)
    expect(await openSsh(node, ['true'])).toBe(42)
    rmSync(folder, { recursive: true })
  })
})
