import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { FakeHomesteadProv } from './testing/fake-homestead-prov.ts'

const MAIN = join(import.meta.dirname, 'main.ts')

/** Runs `cw` in a process of its own, as the launcher does. */
async function cw(
  argv: readonly string[],
  { stdin = '', env = {} }: { readonly stdin?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<{ readonly exit: unknown; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, [MAIN, ...argv], { env: { PATH: process.env.PATH, ...env } })
  child.stdin.end(stdin)
  const [stdout, stderr, [exit]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[unknown]>,
  ])
  return { exit, stdout, stderr }
}

describe('cw as a process', () => {
  test('reads a password from standard input, and its defaults from the environment', async () => {
    await using prov = await FakeHomesteadProv.start()
    const env = { CLEARWATER_HSPROV: prov.address, CLEARWATER_DOMAIN: 'ims.test' }
    const argv = ['user', 'create', '1', '--password', '-', '--plaintext']
    expect(await cw(argv, { stdin: 's3cret\nmore\n', env })).toEqual({
      exit: 0,
      stdout: 'created 1 subscriber\n',
      stderr: '',
    })
    expect(prov.privates.get('1@ims.test')?.plaintext).toBe('s3cret')
  })

  test('ends with the exit code of its error', async () => {
    expect(await cw(['user', 'list', '--hsprov', '127.0.0.1:1'])).toMatchObject({ exit: 7, stdout: '' })
    expect(await cw(['nonsense'])).toMatchObject({ exit: 2, stdout: '' })
  })

  test('writes no colours where there is no terminal', async () => {
    expect((await cw(['user', 'show'])).stderr).not.toContain('\u001b')
  })

  test('is content when its reader has seen enough', async () => {
    await using prov = await FakeHomesteadProv.start()
    for (let i = 0; i < 20_000; i++) {
      prov.profiles.set(`sp-${i}`, { irs: 'i', publicIds: new Set([`sip:${i}@${'a'.repeat(50)}.test`]) })
    }
    const child = spawn(process.execPath, [
      MAIN,
      'user',
      'list',
      '--pace',
      '1000000',
      '--force',
      '--hsprov',
      prov.address,
    ])
    await once(child.stdout, 'data')
    child.stdout.destroy()
    const [[exit], stderr] = await Promise.all([
      once(child, 'close') as Promise<[unknown]>,
      text(child.stderr),
    ])
    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' })
  })
})
