import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHomestead, type RunningHomestead } from '../../../daemons/homestead/homestead.ts'
import { TimerWheel } from '../../../lib/kit/clock.ts'
import { noLog } from '../../../lib/kit/log.ts'
import { openEmbedded, type EmbeddedEnvironment } from '../../../lib/store/embedded/environment.ts'
import { EmbeddedAkaStore } from '../../../lib/store/embedded/aka.ts'
import { EmbeddedProvisioningStore } from '../../../lib/store/embedded/provisioning.ts'
import { EmbeddedSubscriberCacheStore } from '../../../lib/store/embedded/subscriber-cache.ts'
import { cw as run, type CwRun } from '../../testing/run-cw.ts'

let folder: string
let environment: EmbeddedEnvironment
let homestead: RunningHomestead

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cw-homestead-'))
  environment = await openEmbedded({ dir: join(folder, 'data') })
  homestead = await startHomestead({
    clock: new TimerWheel(() => undefined),
    log: noLog,
    stores: {
      cache: new EmbeddedSubscriberCacheStore(environment),
      aka: new EmbeddedAkaStore(environment),
      provisioning: new EmbeddedProvisioningStore(environment),
    },
    bind: '127.0.0.1',
    port: 0,
    provisioningPort: 0,
    homeDomain: 'ims.test',
    scscfUri: 'sip:scscf.ims.test;transport=TCP',
  })
})
afterAll(async () => {
  await homestead.close()
  await environment.close()
  rmSync(folder, { recursive: true })
})

const cw = (...argv: string[]): Promise<CwRun> =>
  run('user', ...argv, '--hsprov', `127.0.0.1:${homestead.provisioningPort}`)

describe('cw user with the real homestead-prov', () => {
  test('takes a subscriber from creation to deletion', async () => {
    expect(await cw('create', '+100..+120', 'ims.test', 's3cret', '--plaintext')).toMatchObject({
      exit: 0,
      stderr: '',
    })
    const shown = await cw('show', '+100', 'ims.test')
    expect(shown.stdout).toMatch(
      /^Public User ID sip:\+100@ims.test:\n.*\n {4}HA1 digest: \w{32} \(s3cret\)\n {2}iFC:\n/,
    )
    expect((await cw('create', '+100', 'ims.test', 'x')).exit).toBe(1)

    expect((await cw('update', '+100', 'ims.test', 'n3w', '-q')).exit).toBe(0)
    expect((await cw('show', '+100', 'ims.test', '--short')).stdout).not.toContain('s3cret')

    expect((await cw('delete', '+100..+120', 'ims.test')).stdout).toBe('deleted 21 subscribers\n')
    expect((await cw('show', '+100', 'ims.test')).exit).toBe(1)
    expect((await cw('list')).stdout).toBe('')
  })

  test('imports a file, finds all of it, and changes nothing the second time', async () => {
    const file = join(folder, 'users.csv')
    const users = Array.from({ length: 1200 }, (_, i) => `sip:${2000 + i}@ims.test`)
    writeFileSync(file, users.map(user => `${user},,,pw\n`).join(''))
    expect(await cw('import', file)).toEqual({ exit: 0, stdout: '1200 created\n', stderr: '' })
    expect((await cw('import', file)).stdout).toBe('0 created, 1200 unchanged\n')

    const { stdout } = await cw('list', '--pace', '100000', '--force')
    expect(stdout.trimEnd().split('\n').sort()).toEqual(users.sort())
  })
})
