import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, expect, test, vi } from 'vitest'
import { cw } from '../support/core.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil } from '../support/wait.ts'

const dir = new TempDir('detach')
vi.stubEnv('XDG_STATE_HOME', dir.path)
afterAll(() => dir[Symbol.dispose]())

function deployment(): string {
  const file = dir.file('cw.yaml')
  const nodes = ['bono', 'sprout', 'homestead'].map((role, index) => `  - { name: ${role}-1, address: 127.83.9.${index + 1}, roles: [${role}] }\n`) // prettier-ignore
  writeFileSync(
    file,
    `name: detached\ndomain: ims.test\nssh: { port: 9 }\nnodes:\n${nodes.join('')}  - { name: spare-1, address: 127.83.9.9 }\n`,
  )
  return file
}

test('cw scale goes on without its terminal, and says into a file what it would have said', async () => {
  const file = deployment()

  const { code, stdout } = await cw('scale', 'sprout=2', '--file', file, '--detach', '--yes', '--json')

  const { result } = JSON.parse(stdout) as { result: { pid: number; log: string } }
  expect({ code, isThere: existsSync(result.log) }).toEqual({ code: 0, isThere: true })
  await waitUntil(
    'it to have ended',
    () => readFileSync(result.log, 'utf8').includes('"status":"error"'),
    30_000,
  )
  expect(readFileSync(result.log, 'utf8')).toContain('NODE_UNREACHABLE')
  await waitUntil('its process to be gone', () => !existsSync(`/proc/${result.pid}/exe`))
})

test('nobody is asked where nobody sits', async () => {
  const { code, stderr } = await cw('scale', 'sprout=2', '--file', deployment(), '--detach')

  expect(code).toBe(2)
  expect(stderr).toContain('--yes')
})

test('what is wrong with the file is told at once', async () => {
  expect(
    await cw('scale', 'sprout=2', '--file', dir.file('nowhere.yaml'), '--detach', '--yes'),
  ).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('FILE_UNREADABLE') as string,
  })
})
