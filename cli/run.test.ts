import { describe, expect, test } from 'vitest'
import { cw } from './testing/run-cw.ts'

describe('the command line', () => {
  test('without a command shows help and ends with 0', async () => {
    const run = await cw()
    expect(run).toMatchObject({ exit: 0, stderr: '' })
    expect(run.stdout).toContain('cw [COMMAND]')
  })

  test('a topic alone shows its commands', async () => {
    expect((await cw('user')).stdout).toContain('user create')
  })

  test('"cw help X" shows the page of "cw X --help"', async () => {
    const page = await cw('help', 'user', 'create')
    expect(page.exit).toBe(0)
    expect(page.stdout).toBe((await cw('user', 'create', '--help')).stdout)
  })

  test.each([
    [['usr', 'create'], 'cw user create --help'],
    [['user', 'creat', '1'], 'cw user create --help'],
    [['upp', '--json'], 'cw up --help'],
    [['help', 'user', 'lsit'], 'cw user list --help'],
    [['xyzzy'], 'cw --help'],
  ])('an unknown command %j ends with 2 and the nearest one', async (argv, suggestion) => {
    const { exit, stdout, stderr } = await cw(...argv)
    expect(exit).toBe(2)
    expect(stdout + stderr).toContain('USAGE')
    expect(stdout + stderr).toContain(suggestion)
  })

  test('an unknown flag ends with 2 and the nearest one, on standard error only', async () => {
    const { exit, stdout, stderr } = await cw('user', 'list', '--ful')
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: '' })
    expect(stderr).toContain('error USAGE: nonexistent flag: --ful')
    expect(stderr).toContain('cw user list --full')
  })

  test('a missing argument is named', async () => {
    expect((await cw('user', 'show')).stderr).toContain('missing: NUMBERS')
  })

  test('with --json wrong usage is an envelope on standard output', async () => {
    const { exit, stdout, stderr } = await cw('user', 'show', '--json')
    expect({ exit, stderr }).toEqual({ exit: 2, stderr: '' })
    expect(JSON.parse(stdout)).toMatchObject({
      status: 'error',
      error: { code: 'USAGE', changed: 'nothing' },
      warnings: [],
    })
  })
})
