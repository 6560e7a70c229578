import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeHomesteadProv } from '../../testing/fake-homestead-prov.ts'
import { cw as run, type CwRun } from '../../testing/run-cw.ts'

let prov: FakeHomesteadProv
let folder: string
let file: string

beforeEach(async () => {
  prov = await FakeHomesteadProv.start()
  folder = mkdtempSync(join(tmpdir(), 'cw-import-'))
  file = join(folder, 'users.csv')
})
afterEach(async () => {
  await prov[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

const cwImport = (...argv: string[]): Promise<CwRun> =>
  run('user', 'import', ...argv, '--hsprov', prov.address)
const lines = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => `sip:${from + i}@ims.test,,,x\n`).join('')
const checkpoint = (): string => `${file}.cw-import`

describe('cw user import', () => {
  test('creates the subscribers of a file, with digests only, and leaves no checkpoint', async () => {
    writeFileSync(file, lines(1, 2500))
    expect(await cwImport(file)).toEqual({ exit: 0, stdout: '2500 created\n', stderr: '' })
    expect(prov.publicIds).toHaveLength(2500)
    expect(prov.privates.get('7@ims.test')?.plaintext).toBeUndefined()
    expect(existsSync(checkpoint())).toBe(false)
  })

  test('a second time renews them', async () => {
    writeFileSync(file, lines(1, 3))
    await cwImport(file)
    expect((await cwImport(file, '--plaintext')).stdout).toBe('0 created, 3 updated\n')
    expect(prov.privates.get('1@ims.test')?.plaintext).toBe('x')
  })

  test('sends nothing of a file with faulty lines, and tells each by number', async () => {
    writeFileSync(file, `${lines(1, 2)}oops\n\nsip:3@ims.test,a,b,c,d\n`)
    const { exit, stdout, stderr } = await cwImport(file)
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' })
    expect(stderr).toContain('error FILE_INVALID: 2 lines of the file cannot be imported')
    expect(stderr).toContain(`where:   ${file}:3`)
    expect(stderr).toContain('line 3: "oops"')
    expect(stderr).toContain('line 5: 5 columns')
    expect(stderr).toContain('changed: nothing')
    expect(prov.requests).toEqual([])
  })

  test('with --keep-going passes over faulty lines and ends with 5', async () => {
    writeFileSync(file, `${lines(1, 2)}oops\n${lines(3, 3)}`)
    const { exit, stdout } = await cwImport(file, '--keep-going', '--json')
    expect(exit).toBe(5)
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'error',
      result: { created: 3, failed: 1, faults: [{ line: 3 }] },
      error: { code: 'IMPORT_INCOMPLETE' },
    })
    expect(prov.publicIds).toHaveLength(3)
  })

  test('a line without password needs a place for the one that is made', async () => {
    writeFileSync(file, 'sip:1@ims.test\n')
    const { exit, stderr } = await cwImport(file)
    expect(exit).toBe(2)
    expect(stderr).toContain('--write-completed')
  })

  test('--write-completed keeps the passwords that were made, for the owner only', async () => {
    writeFileSync(file, 'sip:1@ims.test\nsip:2@ims.test,,,known\n')
    const completed = join(folder, 'completed.csv')
    expect((await cwImport(file, '--write-completed', completed)).exit).toBe(0)
    expect(readFileSync(completed, 'utf8')).toMatch(
      /^sip:1@ims.test,1@ims.test,ims.test,\w{10}\nsip:2@ims.test,2@ims.test,ims.test,known\n$/,
    )
    expect(statSync(completed).mode & 0o777).toBe(0o600)
    expect(prov.publicIds).toHaveLength(2)

    const again = await cwImport(file, '--write-completed', completed)
    expect(again.exit).toBe(2)
    expect(again.stderr).toContain(`cw user import ${completed}`)
  })

  test('goes on where it was broken off', async () => {
    writeFileSync(file, lines(1, 3500))
    prov.failAfter(/bulk/, 2)
    const broken = await cwImport(file)
    expect(broken.exit).toBe(1)
    expect(broken.stdout).toBe('2000 created\n')
    expect(broken.stderr).toContain('changed: some')
    expect(broken.stderr).toContain(`then go on with: cw user import ${file}`)

    prov.faults.length = 0
    expect(await cwImport(file)).toEqual({ exit: 0, stdout: '1500 created, 2000 done before\n', stderr: '' })
    expect(prov.publicIds).toHaveLength(3500)
    expect(existsSync(checkpoint())).toBe(false)
  })

  test('does not go on in a file that has changed, unless told to start again', async () => {
    writeFileSync(file, lines(1, 1500))
    prov.failAfter(/bulk/, 1)
    await cwImport(file)
    prov.faults.length = 0
    writeFileSync(file, lines(2, 1501))

    const refused = await cwImport(file)
    expect(refused.exit).toBe(2)
    expect(refused.stderr).toContain('has changed since its import was interrupted')
    expect((await cwImport(file, '--restart')).stdout).toBe('501 created, 999 updated\n')
  })

  test('stops at a subscriber that is refused and names its line, or passes over it', async () => {
    writeFileSync(file, lines(1, 3))
    prov.refused.add('sip:2@ims.test')
    const { exit, stderr } = await cwImport(file)
    expect(exit).toBe(5)
    expect(stderr).toContain(`where:   ${file}:2`)
    expect(stderr).toContain('sip:2@ims.test: the public id belongs to another subscriber')
    expect((await cwImport(file, '-k')).exit).toBe(5)
  })

  test('a file that is not there ends with 2, a service that is not there with 7', async () => {
    expect((await cwImport(join(folder, 'none.csv'))).exit).toBe(2)
    writeFileSync(file, lines(1, 1))
    expect((await run('user', 'import', file, '--hsprov', '127.0.0.1:1')).exit).toBe(7)
  })
})
