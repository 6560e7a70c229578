import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { loadDeployment, readSecrets } from './deployment-file.ts'

const FOLDER = mkdtempSync(join(tmpdir(), 'cw-deployment-'))
afterAll(() => {
  rmSync(FOLDER, { recursive: true })
})
afterEach(() => {
  vi.unstubAllEnvs()
})

const NODES = 'nodes: [{name: a, address: 10.0.0.1, roles: [bono], ssh: {known_hosts: ~/.ssh/known}}]\n'

function fileOf(rest: string): string {
  const file = join(FOLDER, 'cw.yaml')
  writeFileSync(file, `name: lab\ndomain: ims.test\n${NODES}${rest}`)
  return file
}

test('paths are taken from the folder of the file, or from home', async () => {
  const { ssh, nodes } = await loadDeployment(fileOf('ssh: {identity_file: keys/id}\n'))

  expect(ssh.identityFile).toBe(join(FOLDER, 'keys/id'))
  expect(nodes[0]?.ssh).toMatchObject({
    identityFile: join(FOLDER, 'keys/id'),
    knownHosts: join(homedir(), '.ssh/known'),
  })
})

test('a file with faults is an error with all of them', async () => {
  await expect(loadDeployment(fileOf('sites: a\nssh: b\n'))).rejects.toMatchObject({
    code: 'FILE_INVALID',
    exitCode: 2,
    detail: { why: expect.stringMatching(/line 4.*\n.*line 5/) as string },
  })
})

test('secrets come from the environment and from files, without the line end', async () => {
  vi.stubEnv('CW_TEST_KEY', "it's $(x)")
  writeFileSync(join(FOLDER, 'turn'), 'k7dp wq\n')
  const deployment = await loadDeployment(
    fileOf('secrets: {signup_key: {env: CW_TEST_KEY}, turn_workaround: {file: turn}}\n'),
  )

  expect([...(await readSecrets(deployment))]).toEqual([
    ['signup_key', "it's $(x)"],
    ['turn_workaround', 'k7dp wq'],
  ])
})

test('secrets that cannot be had or used are told together, without a value', async () => {
  writeFileSync(join(FOLDER, 'two-lines'), 's3cret\ns3cret\n')
  const deployment = await loadDeployment(
    fileOf(
      'secrets: {signup_key: {env: CW_TEST_NONE}, turn_workaround: {file: none}, ellis_api_key: {file: two-lines}}\n',
    ),
  )
  const error: unknown = await readSecrets(deployment).catch((reason: unknown) => reason)

  expect(error).toMatchObject({
    code: 'OPTION_INVALID',
    message: '3 secrets of the deployment cannot be used',
  })
  expect(JSON.stringify(error)).toMatch(/CW_TEST_NONE.*ENOENT.*ellis_api_key may not hold line breaks/)
  expect(JSON.stringify(error)).not.toContain('s3cret')
})
