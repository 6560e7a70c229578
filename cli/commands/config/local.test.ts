import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { cw } from '../../testing/run-cw.ts'

const FOLDER = mkdtempSync(join(tmpdir(), 'cw-config-'))
afterAll(() => {
  rmSync(FOLDER, { recursive: true })
})

function fileOf(text: string): string {
  const file = join(FOLDER, 'cw.yaml')
  writeFileSync(file, text)
  return file
}

const result = (stdout: string): unknown => (JSON.parse(stdout) as { result: unknown }).result

describe('cw config check', () => {
  test('tells all faults, each with its place', async () => {
    const file = fileOf(`name: lab
domain: ims.test
setings: {}
nodes:
  - name: bono-1
    address: 10.0.0.1
    roles: [bonno]
`)
    const { exit, stdout, stderr } = await cw('config', 'check', '--file', file)

    expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' })
    expect(stderr).toBe(
      [
        'error FILE_INVALID: the deployment file has 2 faults',
        `  where:   ${file}:3`,
        '  why:     line 3, column 1: the file has no key "setings"; did you mean settings?',
        '           line 7, column 13: a role is one of bono sprout homestead homer ellis ralf memento, not "bonno"; did you mean bono?',
        '  changed: nothing',
        '  next:    mend the file, then: cw config check',
        '           cw config explain NAME tells what a key means',
        '',
      ].join('\n'),
    )
  })

  test('gives programs the faults one by one', async () => {
    const { exit, stdout } = await cw('config', 'check', '--json', '--file', fileOf('name: lab\nnodes: []\n'))

    expect(exit).toBe(2)
    expect(result(stdout)).toMatchObject({
      faults: [{ severity: 'error', line: 1, column: 1, key: 'domain', message: 'the file has no domain' }],
    })
  })

  test('warns of what is missing for calls', async () => {
    const file = fileOf(
      'name: lab\ndomain: ims.test\nnodes: [{name: a, address: 10.0.0.1, roles: [bono, sprout]}]\n',
    )
    const { exit, stderr } = await cw('config', 'check', '--file', file)

    expect(exit).toBe(0)
    expect(stderr).toBe('warning: line 1, column 1: no node is a homestead: calls need one\n')
  })

  test('a file that is not there ends with 2 and names cw init', async () => {
    const { exit, stderr } = await cw('config', 'check', '--file', join(FOLDER, 'none.yaml'))

    expect(exit).toBe(2)
    expect(stderr).toMatch(/FILE_UNREADABLE[^]*cw init/)
  })
})

describe('cw config explain', () => {
  test('tells an option’s facts', async () => {
    const { exit, stdout } = await cw('config', 'explain', 'reg_max_expires')

    expect(exit).toBe(0)
    expect(stdout).toBe(`reg_max_expires
  Longest lifetime of a binding; a phone that asks for more gets this.
  file:    shared_config
  type:    seconds from 1 to 2147483
  default: 300 seconds
  used by: sprout, homestead
  change:  reload: takes effect without interruption
  manual:  8.21.3 Advanced options
`)
  })

  test('gives programs the same', async () => {
    const { stdout } = await cw('config', 'explain', 'signup_key', '--json')

    expect(result(stdout)).toMatchObject({
      name: 'signup_key',
      secret: true,
      files: ['shared_config'],
      impact: 'restart',
    })
  })

  test('knows the keys of the deployment file', async () => {
    expect((await cw('config', 'explain', 'nodes.address')).stdout).toContain('file:    cw.yaml')
  })

  test.each(['reg_max_expire', 'nodes.toString', 'nodes.'])('%s is unknown', async name => {
    const { exit, stderr } = await cw('config', 'explain', name)

    expect(exit).toBe(2)
    expect(stderr).toContain(`OPTION_INVALID: there is no option "${name}"`)
    if (name.startsWith('reg')) expect(stderr).toContain('next:    cw config explain reg_max_expires')
  })
})

test('cw config schema prints a JSON schema that names each key', async () => {
  const { exit, stdout } = await cw('config', 'schema')
  const schema = JSON.parse(stdout) as {
    properties: Record<string, { properties?: Record<string, unknown> }>
  }

  expect(exit).toBe(0)
  expect(Object.keys(schema.properties)).toEqual([
    'name',
    'domain',
    'nodes',
    'sites',
    'ssh',
    'dns',
    'settings',
    'user_settings',
    'secrets',
  ])
  expect(schema.properties.settings?.properties).toMatchObject({
    reg_max_expires: { type: 'integer', minimum: 1, maximum: 2_147_483, default: '300' },
    nonce_count_supported: { enum: ['Y', 'N'] },
  })
  expect(schema.properties.settings?.properties).not.toHaveProperty('signup_key')
})
