import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseDeployment } from '../../lib/config/deployment/parse.ts'
import { cw } from '../testing/run-cw.ts'

let folder: string
let file: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cw-init-'))
  file = join(folder, 'cw.yaml')
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const NEEDED = [
  '--domain',
  'ims.test',
  '--bono',
  '10.0.0.1',
  '--sprout',
  '10.0.0.2',
  '--homestead',
  '10.0.0.3',
]
/** What is needed, but for one flag. */
const without = (flag: string): readonly string[] =>
  NEEDED.filter((word, index) => word !== flag && NEEDED[index - 1] !== flag)
const init = (...argv: string[]) => cw('init', '--file', file, ...argv)
const written = () => parseDeployment(readFileSync(file, 'utf8'), file)

describe('cw init', () => {
  test('writes a deployment file that cw config check finds right', async () => {
    const { exit, stdout, stderr } = await init(
      ...NEEDED,
      ...[
        '--homer',
        '10.0.0.4',
        '--ellis',
        '10.0.0.5=203.0.113.5',
        '--ralf',
        '2001:db8::6',
        '--spare',
        '10.0.0.7,10.0.0.8',
      ],
      ...['--ssh-user', 'admin', '--identity-file', '~/.ssh/it is # mine', '--jump', 'ops@bastion:2222'],
    )

    expect({ exit, stderr }).toEqual({ exit: 0, stderr: '' })
    expect(stdout).toContain(`wrote ${file}`)
    expect(written()).toMatchObject({
      warnings: [],
      deployment: {
        name: 'ims',
        domain: 'ims.test',
        ssh: { user: 'admin', identityFile: '~/.ssh/it is # mine', jump: 'ops@bastion:2222' },
        nodes: [
          { name: 'bono-1', address: '10.0.0.1', roles: ['bono'] },
          { name: 'sprout-1', address: '10.0.0.2' },
          { name: 'homestead-1' },
          { name: 'homer-1' },
          { name: 'ellis-1', address: '10.0.0.5', publicAddress: '203.0.113.5' },
          { name: 'ralf-1', address: '2001:db8::6' },
          { name: 'spare-1', roles: [] },
          { name: 'spare-2', roles: [] },
        ],
      },
    })
    expect(await cw('config', 'check', '--file', file)).toMatchObject({
      exit: 0,
      stdout: `${file} is right: deployment ims, 6 nodes, 2 spares\n`,
    })
  })

  test('makes one node of an address with several roles', async () => {
    await init(
      '--domain',
      'ims.test',
      '--bono',
      '10.0.0.1',
      '--sprout',
      '10.0.0.1',
      '--homestead',
      '10.0.0.1',
    )

    expect(written()).toMatchObject({
      deployment: { nodes: [{ name: 'bono-1', roles: ['bono', 'sprout', 'homestead'] }] },
    })
  })

  test('a commented option works once its comment sign is taken away', async () => {
    await init(...NEEDED)
    const text = readFileSync(file, 'utf8')
      .replace('# reg_max', 'reg_max')
      .replace('# signup_key', 'signup_key')

    expect(parseDeployment(text, file)).toMatchObject({
      deployment: { settings: new Map([['reg_max_expires', '300']]) },
    })
  })

  test('without a terminal tells all that is missing and writes nothing', async () => {
    const { exit, stderr } = await init('--bono', '10.0.0.1')

    expect(exit).toBe(2)
    expect(stderr).toContain('error USAGE: missing: --domain, --sprout, --homestead')
    expect(existsSync(file)).toBe(false)
  })

  test('leaves an existing file as it is, unless forced', async () => {
    writeFileSync(file, 'mine')
    const { exit, stderr } = await init(...NEEDED)
    expect({ exit, text: readFileSync(file, 'utf8') }).toEqual({ exit: 8, text: 'mine' })
    expect(stderr).toContain('--force')

    expect(await init(...NEEDED, '--force', '--json')).toMatchObject({ exit: 0 })
    expect(written()).toMatchObject({ deployment: { domain: 'ims.test' } })
  })

  test.each([
    ['--domain', 'a b', '--domain is a domain'],
    ['--bono', '10.0.0.256', '--bono is a list of IP addresses'],
    ['--bono', '10.0.0.1=x', '--bono is a list of IP addresses'],
    ['--name', 'Lab $(x)', '--name is lower-case'],
    ['--ssh-user', '-oProxyCommand=x', '--ssh-user'],
    ['--jump', 'a b', '--jump has the form'],
    ['--identity-file', 'a\nb: c', '--identity-file may not hold line breaks'],
  ])('refuses %s %j and writes nothing', async (flag, value, message) => {
    const { exit, stderr } = await init(...without(flag), `${flag}=${value}`)

    expect(exit).toBe(2)
    expect(stderr).toContain(message)
    expect(existsSync(file)).toBe(false)
  })

  test('says so where the file cannot be written', async () => {
    const { exit, stderr } = await cw('init', '--file', join(folder, 'no', 'cw.yaml'), ...NEEDED)

    expect(exit).toBe(2)
    expect(stderr).toContain('FILE_UNREADABLE: the deployment file cannot be written')
  })
})
