import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfigFile } from '../../lib/config/config-file.ts'
import { OPTIONS } from '../../lib/config/options.ts'
import { validateOption } from '../../lib/config/validate.ts'
import { waitUntil } from '../support/wait.ts'
import {
  deploymentOf,
  etcdctl,
  makeRelease,
  Operator,
  told,
  untilTold,
  type DeploymentFile,
  type NodeEntry,
} from './deployment.ts'
import { tool } from './lab/command.ts'
import { Lab, type CwResult } from './lab/lab.ts'

const MIB = 1024 * 1024
/** Their names tell where they stand; the two spares have the troubles that a deployment can live with. */
const ROLES = {
  'home-1': ['homestead', 'homer', 'ralf', 'ellis'],
  'sprout-1': ['sprout'],
  'bono-1': ['bono'],
}
const WORKING = Object.keys(ROLES)

/** What a shell, a template or a unit could take for more than text. */
const HOSTILE = `it's "$(touch /pwned)" \`touch /pwned\` $HOME \\ ; touch /pwned & # %s <b>`
/** Every option of shared_config that takes such a value. */
const FREE_TEXT = [...OPTIONS.values()].filter(
  option => option.retired === undefined && validateOption(option, HOSTILE) === undefined,
)

interface StatusResult {
  readonly serving: { readonly verdict: string }
  readonly inSync: { readonly verdict: string; readonly why: readonly string[] }
  readonly running: readonly { readonly operation: string; readonly by: string }[]
  readonly nodes: readonly { readonly daemons: readonly { readonly well: boolean }[] }[]
}

describe('hosts, operators and values that make trouble', () => {
  let lab: Lab
  let release: string
  let operator: Operator
  beforeAll(async () => {
    const disk = { name: 'spare-full', diskBytes: 400 * MIB }
    const hosts = [...WORKING.map(name => ({ name })), disk, { name: 'spare-apt' }]
    lab = await Lab.start({ hosts, layer: 'services' })
    release = await makeRelease(lab)
    operator = hostileOperator(lab, release)
  })
  afterAll(async () => {
    await lab.close()
  })

  const deployment = (more: Partial<DeploymentFile> = {}): DeploymentFile => deploymentOf(lab, ROLES, more)
  const plain = (more: Partial<DeploymentFile> = {}): Operator => {
    const made = new Operator(lab, { release })
    made.write(deployment(more))
    return made
  }
  const nothingDone = async (): Promise<void> => {
    for (const host of lab.hosts) {
      const found = await host.must('ls -d /opt/clearwater /etc/clearwater 2>/dev/null || echo none')
      expect(found, host.name).toBe('none\n')
    }
  }
  const sharedFile = (name: string): string =>
    readFileSync(join(lab.host(name).root, 'etc/clearwater/shared_config'), 'utf8')
  const onNodes = (option: string): readonly (string | undefined)[] =>
    WORKING.map(name => parseConfigFile(sharedFile(name)).values.get(option))
  const status = async (): Promise<StatusResult> =>
    (JSON.parse((await operator.cw('status', '--json')).stdout) as { result: StatusResult }).result
  const inSync = (): Promise<unknown> =>
    waitUntil('all to be in sync', async () => (await status()).inSync.verdict === 'yes', 90_000)

  describe('before anything is done', () => {
    test('a key that no host takes', async () => {
      const key = join(lab.home, 'another_key')
      await tool('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', key)
      const run = await plain({ ssh: { ...deployment().ssh, identity_file: key } }).deploy('--yes')

      expect(run.code, told(run)).toBe(7)
      expect(run.stderr).toContain('error SSH_AUTH_FAILED: none of the nodes can be logged in to')
      for (const { name } of lab.hosts) expect(run.stderr).toContain(`${name} does not let ops in`)
      expect(run.stderr).toContain('ssh-copy-id')
      await nothingDone()
    })

    test('a host that shows another key than before', async () => {
      const lines = readFileSync(lab.knownHosts, 'utf8').split('\n')
      const keyOf = (name: string): string => lines.find(line => line.includes(`,${name} `)) ?? ''
      const [stranger = '', ...key] = keyOf('bono-1').split(' ')
      const changed = [keyOf('sprout-1').split(' ')[0], ...key].join(' ')
      const file = join(lab.home, 'changed_hosts')
      writeFileSync(file, lines.map(line => (line === keyOf('sprout-1') ? changed : line)).join('\n'))
      expect(stranger).toContain('bono-1')
      const known = plain({ ssh: { ...deployment().ssh, known_hosts: file } })

      const others = await known.deploy('--dry-run')
      expect(others.code, told(others)).toBe(3)
      expect(others.stdout).toContain('left out sprout-1: sprout-1 shows another host key than before')
      const run = await known.deploy('--yes', '--accept-new', '--only', 'sprout-1')
      expect(run.code, told(run)).toBe(8)
      expect(run.stderr).toContain('error HOST_KEY_CHANGED')
      expect(run.stderr).toContain(`ssh-keygen -R '${lab.host('sprout-1').address}'`)
      await nothingDone()
    })

    test('sudo that asks for a password', async () => {
      const sudoers = join(lab.host('bono-1').root, 'etc/sudoers.d/ops')
      const before = readFileSync(sudoers, 'utf8')
      writeFileSync(sudoers, 'ops ALL=(ALL) ALL\n')

      const run = await plain().deploy('--yes', '--only', 'bono-1')
      expect(run.code, told(run)).toBe(8)
      expect(run.stderr).toContain('error SUDO_REFUSED: ops may not become root on bono-1 without a password')
      expect(run.stderr).toContain('NOPASSWD')
      writeFileSync(sudoers, before)
      await nothingDone()
    })

    test('hostile names in every field that names something', async () => {
      const all = (...fields: string[]): Record<string, string> =>
        Object.fromEntries(fields.map(field => [field, HOSTILE]))
      const names = ['name', 'domain']
      const settings = ['sprout_hostname', 'hs_hostname']
      const node = ['name', 'address', 'public_address', 'public_hostname', 'site']
      const ssh = ['user', 'port', 'jump']
      const local = ['etcd_cluster_key', 'scscf_node_uri', 'trusted_peers']
      const user = ['log_directory', 'log_level']
      const bad = {
        ...{ ssh: all(...ssh), local: all(...local), user: all(...user) },
        ...(all(...node) as Pick<NodeEntry, 'name' | 'address'>),
      }
      const run = await plain({
        ...all(...names),
        settings: { ...all(...settings), smtp_username: 'two\nlines' },
        nodes: [...deployment().nodes, bad],
      }).deploy('--yes')

      expect(run.code, told(run)).toBe(2)
      const faults = [...run.stderr.matchAll(/column \d+: (\w+) /g)].map(match => match[1])
      const fields = [names, settings, 'smtp_username', node, ssh, local, user].flat()
      expect(faults.toSorted()).toEqual(fields.toSorted())
    })

    test('a secret of two lines', async () => {
      const env = { SIGNUP_KEY: 'two\nlines' }
      const two = new Operator(lab, { release, env })
      two.write(deployment({ secrets: { signup_key: { env: 'SIGNUP_KEY' } } }))

      const run = await two.deploy('--yes')
      expect(run.code, told(run)).toBe(2)
      expect(run.stderr).toContain('signup_key may not hold line breaks')
      await nothingDone()
    })
  })

  describe('in a deployment', () => {
    beforeAll(async () => {
      operator.write(hostileDeployment(lab))
      await giveShell(lab, 'sprout-1', NOISY_SHELL)
      await lab.host('spare-full').must(LOGIN_NOISE, { sudo: true })
      await lab.host('spare-full').must(FILL_DISK, { sudo: true })
      await lab.host('spare-apt').must('dpkg --purge logrotate', { sudo: true })
      await lab.host('spare-apt').must(`cp ${APT_PROXY} /root/ && ${NO_PROXY}`, { sudo: true })
    })

    test('a full disk here and a broken apt there are told, and the others become one', async () => {
      const run = await operator.deploy('--yes')

      expect(run.code, told(run)).toBe(5)
      expect(run.stderr).toContain('error OPERATION_INCOMPLETE')
      expect(run.stderr).toMatch(/failed base\/release@spare-full: .*No space left on device/)
      expect(run.stderr).toMatch(
        /failed base\/packages@spare-apt: spare-apt could not install logrotate: .*E: Failed to fetch/,
      )
      expect(run.stderr).toContain('2 nodes failed')
      for (const name of WORKING) {
        expect(await lab.host(name).must('systemctl is-active clearwater-config-manager')).toContain('active')
      }
      expect(readdirSync(join(lab.host('spare-full').root, 'opt/clearwater/releases'))).toEqual([])
    })

    test('once that is mended, cw resume does the rest', async () => {
      await lab.host('spare-full').must('rm /var/ballast', { sudo: true })
      await lab.host('spare-apt').must(`cp /root/90lab-proxy ${APT_PROXY}`, { sudo: true })

      const run = await operator.cw('resume', '--yes')
      expect(run.code, told(run)).toBe(0)
      const again = await operator.deploy('--yes')
      expect(again, told(again)).toMatchObject({ code: 0, stdout: 'nothing to do\n' })
    })

    test('a login that is no bash, a banner and a talkative profile change nothing', async () => {
      expect(readFileSync(join(lab.host('sprout-1').root, 'etc/passwd'), 'utf8')).toContain(NOISY_SHELL)
      const { nodes } = await status()
      expect(nodes.flatMap(node => node.daemons.filter(daemon => !daemon.well))).toEqual([])
      const run = await operator.cw('exec', '--node', 'sprout-1', '--', 'printf', '%s', HOSTILE)
      expect(told(run)).toContain(HOSTILE)
      expect(run.stdout).not.toContain('Welcome')
    })

    test('hostile values are values in every file, and nothing else anywhere', async () => {
      for (const { name } of FREE_TEXT) {
        expect(onNodes(name), name).toEqual(WORKING.map(() => HOSTILE))
        const sourced = await lab
          .host('home-1')
          .must(`. /etc/clearwater/shared_config; printf %s "$${name}"`, { sudo: true })
        expect(sourced).toBe(HOSTILE)
      }
      expect((await operator.cw('config', 'get', 'smtp_username')).stdout).toContain(HOSTILE)
      const pwned = [...lab.hosts.map(host => join(host.root, 'pwned')), '/pwned', join(lab.home, 'pwned')]
      expect(pwned.filter(file => existsSync(file))).toEqual([])
      for (const { root } of [lab.host('home-1'), lab.host('bono-1')]) {
        const found = await tool('grep', '-rlF', 'touch /pwned', join(root, 'etc'), join(root, 'var/log'))
        expect(found).toBe(`${join(root, 'etc/clearwater/shared_config')}\n`)
      }
    })

    test('while one operator is at work, another is told who and at what', async () => {
      operator.write(hostileDeployment(lab, { user_settings: { log_level: 3 } }))
      await using first = operator.startDeploy()
      await untilTold(first, /\bdone +\S+@/)
      first.signal('SIGSTOP')

      const second = await operator.deploy('--yes')
      expect(second.code, told(second)).toBe(6)
      expect(second.stderr).toMatch(
        /error LOCKED: cw deploy of it's .*@\S+ works on this deployment since \d{4}-/,
      )
      expect((await status()).running).toMatchObject([{ operation: 'deploy' }])
      first.signal('SIGCONT')
      expect(await first.exited, told(first)).toMatchObject({ code: 0 })
    })
  })

  describe('in the shared configuration', () => {
    const key = '/clearwater/site1/configuration/shared_config'
    const etcdctlOnBono = (words: string, stdin?: string): Promise<string> =>
      etcdctl(lab.host('bono-1'), words, stdin)
    const change = (...args: string[]): Promise<CwResult> =>
      operator.cw('config', ...args, '--yes', '--timeout', '90')
    let folder: string
    beforeAll(async () => {
      folder = join(lab.home, 'exported')
      await operator.cw('config', 'export', folder)
    })

    test('what is invalid is refused before any node sees it', async () => {
      const before = sharedFile('home-1')
      const bad = join(lab.home, 'invalid')
      mkdirSync(bad)
      writeFileSync(join(bad, 'shared_config'), `${before}reg_max_expires=$(reboot)\nno_such_option=1\n`)

      const imported = await change('import', bad)
      expect(imported.code, told(imported)).toBe(2)
      expect(imported.stderr).toContain('error FILE_INVALID')
      expect(imported.stderr).toContain('no_such_option')
      const set = await change('set', 'reg_max_expires=soon')
      expect(set.code, told(set)).toBe(2)
      expect(set.stderr).toContain('error OPTION_INVALID')
      expect(await etcdctlOnBono(`get ${key} --print-value-only`)).toBe(`${before}\n`)
      expect(WORKING.map(sharedFile)).toEqual(WORKING.map(() => before))
      expect((await status()).inSync.verdict).toBe('yes')
    })

    test('what is put into etcd behind the back of cw reaches no file, and status says so', async () => {
      const before = sharedFile('home-1')
      await etcdctlOnBono(`put ${key}`, `${before}reg_max_expires=$(reboot)\n`)

      const refusal = await waitUntil(
        'status to tell',
        async () => (await status()).inSync.why.find(why => why.includes('is refused')),
        60_000,
      )
      expect(refusal).toContain('shared_config is refused')
      expect(WORKING.map(sharedFile)).toEqual(WORKING.map(() => before))
      expect((await status()).serving.verdict).toBe('yes')

      const mended = await change('import', folder)
      expect(mended.code, told(mended)).toBe(0)
      await inSync()
    })

    test('a change is made while a minority of etcd is lost', async () => {
      await lab.host('home-1').must('systemctl kill -s KILL clearwater-etcd', { sudo: true })
      await lab.host('home-1').must('systemctl stop clearwater-etcd', { sudo: true })

      const run = await change('set', 'reg_max_expires=600')
      expect(run.code, told(run)).toBe(0)
      expect(onNodes('reg_max_expires')).toEqual(WORKING.map(() => '600'))
    })

    test('no change is made while its majority is lost, and that is said', async () => {
      await lab.host('bono-1').kill()

      const run = await change('set', 'reg_max_expires=900')
      expect(run.code, told(run)).toBe(7)
      expect(run.stderr).toContain('error ETCD_UNAVAILABLE')
      expect(run.stderr).toMatch(/changed: +nothing/)
      expect(onNodes('reg_max_expires')).toEqual(WORKING.map(() => '600'))

      await lab.host('bono-1').boot()
      await lab.host('home-1').must('systemctl start clearwater-etcd', { sudo: true })
      operator.write(hostileDeployment(lab, { settings: { reg_max_expires: 600 } }))
      await inSync()
      expect((await operator.cw('config', 'get', 'reg_max_expires')).stdout).toContain('600')
    })
  })
})

const APT_PROXY = '/etc/apt/apt.conf.d/90lab-proxy'
const NO_PROXY = `echo 'Acquire::http::Proxy "http://127.0.0.1:9";' > ${APT_PROXY}`
/** Leaves room for the release as it is sent, and not for what is in it. */
const FILL_DISK = 'fallocate -l $(($(df --output=avail -B1 / | tail -n 1) - 94371840)) /var/ballast'

const NOISY_SHELL = '/usr/local/bin/talkative'
const NOISY_SHELL_TEXT = `#!/bin/sh
echo "Welcome to $(hostname)!"
printf 'You have \`new\` mail' >&2
printf 'and no line end'
exec /bin/sh "$@"
`
/** Before the login a banner, and a bash that greets although nobody is there. */
const LOGIN_NOISE = `
echo "This host is watched. $(id)" > /etc/motd
printf 'Banner /etc/motd\\nPrintMotd yes\\n' > /etc/ssh/sshd_config.d/banner.conf && systemctl reload ssh
sed -i "1i echo 'Welcome!'; echo 'to you' >&2" /home/ops/.bashrc
`

/** Makes this the login shell of the operator. */
async function giveShell(lab: Lab, host: string, shell: string): Promise<void> {
  const install = `cat > ${shell} && chmod 755 ${shell} && usermod -s ${shell} ops`
  await lab.host(host).must(install, { sudo: true, stdin: NOISY_SHELL_TEXT })
}

/** An operator with a name, folders and files that have to be quoted wherever they stand. */
function hostileOperator(lab: Lab, release: string): Operator {
  const folder = join(lab.home, HOSTILE_NAME)
  mkdirSync(folder)
  copyFileSync(lab.sshKey, join(folder, 'key'))
  copyFileSync(lab.knownHosts, join(folder, 'hosts'))
  writeFileSync(join(folder, 'secret'), `${HOSTILE}\n`)
  const env = { SECRET: HOSTILE, SUDO_USER: HOSTILE_NAME }
  return new Operator(lab, { release, env, file: `${HOSTILE_NAME}\n.yaml` })
}

const HOSTILE_NAME = `it's "$(touch pwned)" \`touch pwned\` ; touch pwned`

function hostileDeployment(lab: Lab, more: Partial<DeploymentFile> = {}): DeploymentFile {
  const { secret = [], open = [] } = Object.groupBy(FREE_TEXT, option =>
    option.secret === true ? 'secret' : 'open',
  )
  const from = (index: number): { file: string } | { env: string } =>
    index === 0 ? { file: `${HOSTILE_NAME}/secret` } : { env: 'SECRET' }
  const values = Object.fromEntries(open.map(({ name }) => [name, HOSTILE]))
  return deploymentOf(lab, ROLES, {
    ssh: { user: 'ops', identity_file: `${HOSTILE_NAME}/key`, known_hosts: `${HOSTILE_NAME}/hosts` },
    secrets: Object.fromEntries(secret.map(({ name }, index) => [name, from(index)])),
    ...more,
    settings: { ...values, ...more.settings },
  })
}
