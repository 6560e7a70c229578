import { appendFileSync, chmodSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import shipped from '../../package.json' with { type: 'json' }
import { Child } from '../support/child.ts'
import { freePortOffset } from '../support/ports.ts'
import { PROJECT } from '../support/core.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil } from '../support/wait.ts'

interface Made {
  readonly result: { readonly file: string; readonly sha256: string; readonly made: boolean }
}

const BUNDLING_MS = 120_000

let dir: TempDir
let bundled: Made['result']
/** The release as a host has it. */
let release: string

/** What a bare host has on its path: no Node. */
const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/nonexistent' }

async function cwOf(root: string, ...args: readonly string[]) {
  await using child = new Child(join(root, 'bin', 'cw'), args, { env, cwd: '/' })
  const exit = await child.exited
  return { ...exit, stdout: child.stdout, stderr: child.stderr }
}

async function bundle(root: string, folder: string): Promise<Made['result']> {
  const { code, stdout, stderr } = await cwOf(root, 'bundle', '--output', folder, '--json')
  expect(code, stderr + stdout).toBe(0)
  return (JSON.parse(stdout) as Made).result
}

beforeAll(async () => {
  dir = new TempDir('bundle')
  bundled = await bundle(PROJECT, dir.path)
  const host = dir.file('host')
  mkdirSync(host)
  await using tar = new Child('tar', ['-xzf', bundled.file, '-C', host, '--no-same-owner'])
  expect((await tar.exited).code, tar.stderr).toBe(0)
  release = join(host, 'clearwater-0.1.0')
}, BUNDLING_MS)
afterAll(() => {
  dir[Symbol.dispose]()
})

describe('a release, unpacked on a host without Node', () => {
  test('runs its own', async () => {
    const { code, stdout } = await cwOf(release, '--version')

    expect(code).toBe(0)
    expect(stdout).toContain('0.1.0')
    expect(stdout).toContain(`node-${process.version}`)
  })

  test('is started by a link, as it is from /usr/bin', async () => {
    await using link = new Child('ln', ['-s', join(release, 'bin', 'cw'), dir.file('cw')])
    await link.exited
    await using child = new Child(dir.file('cw'), ['help'], { env, cwd: '/' })

    expect((await child.exited).code, child.stderr).toBe(0)
  })

  test('serves', async () => {
    const offset = await freePortOffset()
    const args = ['up', '--data-dir', dir.file('data'), '--port-offset', `${offset}`, '--json']
    await using core = new Child(join(release, 'bin', 'cw'), args, { env, cwd: '/' })

    await waitUntil('the ready line', () => core.exit ?? core.stdout.includes('"ready"'))

    expect(core.exit, core.stdout).toBeUndefined()
    expect(core.stderr).toBe('')
    expect(await core.stop()).toEqual({ code: 0, signal: null })
  })

  test('has the licences of all code that is in it', () => {
    const text = readFileSync(join(release, 'dist', 'THIRD-PARTY.txt'), 'utf8')
    const sections = text.split(/^-{78}\n(?=\S+ \d)/m).slice(1)
    const titles = sections.map(section => section.slice(0, section.indexOf(' (')))
    const bundled = Object.entries(shipped.dependencies).map(([name, version]) => `${name} ${version}`)

    expect(titles).toEqual([...new Set(titles)].toSorted())
    expect(titles).toEqual(expect.arrayContaining(bundled))
    // What they need is there as well, and nothing that only builds or tests.
    expect(titles.some(title => title.startsWith('fast-uri '))).toBe(true)
    expect(titles.some(title => /^(esbuild|vitest|typescript) /.test(title))).toBe(false)
    for (const section of sections) expect(section).toMatch(/licen[cs]e|permi(t|ssion)|public domain/i)
    expect(text).toContain('Copyright (c) 2011 Einar Otto Stangvik')
    expect(readFileSync(join(release, 'runtime', 'LICENSE'), 'utf8')).toMatch(/^Node\.js is licensed/)
  })

  test('can be read and run by any user, and written by root alone', async () => {
    await using find = new Child('find', [release, '!', '-perm', '755', '!', '-perm', '644'])
    await find.exited

    expect(find.stdout).toBe('')
  })

  test('packs itself to the same bytes', { timeout: BUNDLING_MS }, async () => {
    const first = await bundle(release, dir.file('again'))
    const second = await bundle(release, dir.file('again'))

    expect(first).toMatchObject({ sha256: bundled.sha256, made: true })
    expect(second).toMatchObject({ sha256: bundled.sha256, made: false })
  })

  test('replaces what another has put in its place', { timeout: BUNDLING_MS }, async () => {
    const { file } = await bundle(release, dir.file('planted'))
    appendFileSync(file, 'planted')

    expect(await bundle(release, dir.file('planted'))).toMatchObject({ sha256: bundled.sha256, made: true })
  })

  test('knows whether it is as it was made', async () => {
    expect((await cwOf(release, 'bundle', '--check')).code).toBe(0)

    chmodSync(join(release, 'README.md'), 0o644)
    appendFileSync(join(release, 'README.md'), 'edited\n')
    const damaged = await cwOf(release, 'bundle', '--check')

    expect(damaged.code).toBe(4)
    expect(damaged.stderr).toContain('README.md has changed')
  })
})
