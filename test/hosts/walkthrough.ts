// Prints what an operator sees who goes from clean hosts to a deployment and through its days: the output in
// docs/operations.md is taken from here. As root: node test/hosts/run.ts test/hosts/walkthrough.ts [FILE]
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Child } from '../support/child.ts'
import { PROJECT } from '../support/core.ts'
import { waitUntil, within } from '../support/wait.ts'
import { Lab } from './lab/lab.ts'

const DOMAIN = 'ims.example.com'
const PATIENCE_MS = 300_000
const ROLES = ['bono', 'sprout', 'homestead', 'homer', 'ellis', 'ralf'] as const

/** The machine's own name is nobody's business: the operator sits at a desk. */
const AT_DESK = ['--uts', 'sh', '-c', 'hostname desk && exec "$@" 2>&1', 'sh', join(PROJECT, 'bin', 'cw')]

const names = [...ROLES, 'spare'].map(role => `${role}-1`).concat('spare-2')
await using lab = await Lab.start({ hosts: names.map(name => ({ name })) })
const address = (name: string): string => lab.host(name).address
const deploymentFile = join(lab.home, 'cw.yaml')
const transcript = process.argv[2]
let stdin: string | undefined

mkdirSync(join(lab.home, '.ssh'), { mode: 0o700 })
copyFileSync(lab.sshKey, join(lab.home, '.ssh', 'id_ed25519'))
process.env.PATH = `${join(PROJECT, 'bin')}:${process.env.PATH ?? ''}`

heading('From six hosts to a deployment')
await cw(
  ...['init', '--domain', DOMAIN, '--ssh-user', 'ops', '--identity-file', '~/.ssh/id_ed25519'],
  ...ROLES.flatMap(role => [`--${role}`, address(`${role}-1`)]),
  ...['--spare', `${address('spare-1')},${address('spare-2')}`],
)
show('cat cw.yaml', readFileSync(deploymentFile, 'utf8'))
// ssh itself looks for its files at the home in /etc/passwd, and the operator's is elsewhere.
edit('  # jump:', '  known_hosts: ~/.ssh/known_hosts\n  # jump:')
await cw('config', 'check')
await cw('check', '--accept-new')
await cw('deploy', '--dry-run')
await cw('deploy', '--yes')
await cw('deploy')
await cw('verify')
await cw('status')

heading('Subscribers')
const onHomestead = ['ssh', 'homestead-1', '--', 'cw', 'user']
const hsprov = ['--hsprov', `${address('homestead-1')}:8889`]
stdin = 'a password\n'
await cw(...onHomestead, 'create', '6505550001..6505550002', DOMAIN, '-', ...hsprov)
stdin = undefined
await cw(...onHomestead, 'list', ...hsprov)

heading('Configuration')
await cw('config', 'explain', 'reg_max_expires')
await cw('config', 'get')
await cw('config', 'set', 'reg_max_expires=never', '--yes')
await cw('config', 'set', 'reg_max_expires=600', '--yes')
await cw('config', 'set', 'max_session_expires=1200', '--yes')
await cw('config', 'diff')
await cw('config', 'history')
await cw('config', 'unset', 'max_session_expires', '--yes')

heading('Looking')
await cw('logs', '--since', '10m', '--role', 'sprout')
await cw('exec', '--', 'uptime', '--pretty')
await cw('ssh', 'sprout-1', '--', 'systemctl', 'is-active', 'clearwater-sprout')
await cw('restart', 'sprout', '--yes')
await cw('dns', 'zone')

heading('Drift')
await lab.host('sprout-1').must('echo "# by hand" >> /etc/clearwater/local_config', { sudo: true })
await cw('deploy', '--yes')
await cw('deploy', '--yes', '--overwrite-drift')

heading('A second sprout')
const spare = (name: string): string => `  - name: ${name}\n    address: ${address('spare-1')}\n`
edit(spare('spare-1'), `${spare('sprout-2')}    roles: [sprout]\n`)
await cw('deploy', '--yes')
await cw('status')

heading('A host dies')
edit('log_level: 2', 'log_level: 3')
await cwUntil('homer/daemon@homer-1', () => lab.host('bono-1').kill(), 'deploy', '--yes')
await cw('status')
await lab.host('bono-1').boot()
await cw('resume', '--yes')
await cw('history')

heading('An operator dies')
edit('log_level: 3', 'log_level: 2')
await cwUntil('homestead/daemon@homestead-1', child => child.signal('SIGKILL'), 'deploy', '--yes')
await cw('status')
await cw('resume', '--yes')
await cw('verify')

heading('The end')
await cw('destroy')
await cw('destroy', '--confirm', 'ims')
await cw('status')

function edit(from: string, to: string): void {
  writeFileSync(deploymentFile, readFileSync(deploymentFile, 'utf8').replace(from, to))
}

async function cw(...args: string[]): Promise<void> {
  const begun = performance.now()
  await using child = start(args)
  const { code } = await within(child.command, child.exited, PATIENCE_MS)
  show(`cw ${args.join(' ')}`, child.stdout, code, performance.now() - begun)
}

/** Does something to a command, or behind its back, when it tells of a step. */
async function cwUntil(
  step: string,
  then: (child: Child) => Promise<void> | void,
  ...args: string[]
): Promise<void> {
  const begun = performance.now()
  await using child = start(args)
  await waitUntil(step, () => child.exit !== undefined || child.stdout.includes(step), PATIENCE_MS)
  await then(child)
  const { code } = await within(child.command, child.exited, PATIENCE_MS)
  show(`cw ${args.join(' ')}`, child.stdout, code, performance.now() - begun)
}

function start(args: readonly string[]): Child {
  return new Child('unshare', [...AT_DESK, ...args], {
    cwd: lab.home,
    ...(stdin === undefined ? {} : { stdin }),
    env: { PATH: process.env.PATH, HOME: lab.home, NO_COLOR: '1', LANG: 'C.UTF-8' },
  })
}

function heading(title: string): void {
  print(`\n## ${title}\n`)
}

function show(command: string, output: string, code: number | null = 0, ms = 0): void {
  print(`$ ${command}\n${output}[exit ${String(code)}, ${(ms / 1000).toFixed(1)} s]\n`)
}

function print(text: string): void {
  console.log(text)
  if (transcript !== undefined) appendFileSync(transcript, `${text}\n`)
}
