import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { Child } from '../support/child.ts'
import { waitUntil } from '../support/wait.ts'
import type { Host } from './lab/host.ts'
import type { CwResult, Lab } from './lab/lab.ts'

export const DOMAIN = 'ims.test'

type Words = Readonly<Record<string, string | number>>

/** A deployment file as data. */
export interface DeploymentFile {
  readonly name: string
  readonly domain: string
  readonly sites?: readonly string[]
  readonly ssh: Words
  readonly dns?: Words
  readonly settings?: Words
  readonly user_settings?: Words
  readonly secrets?: Readonly<Record<string, { readonly env: string } | { readonly file: string }>>
  readonly nodes: readonly NodeEntry[]
}

export interface NodeEntry {
  readonly name: string
  readonly address: string
  readonly site?: string
  readonly roles?: readonly string[]
  readonly ssh?: Words
  readonly local?: Words
  readonly user?: Words
}

/** A deployment called `lab` of all hosts of a lab. Those without roles are spares. */
export function deploymentOf(
  lab: Lab,
  roles: Readonly<Record<string, readonly string[]>>,
  more: Partial<DeploymentFile> = {},
): DeploymentFile {
  return {
    name: 'lab',
    domain: DOMAIN,
    ssh: { user: 'ops', identity_file: lab.sshKey, known_hosts: lab.knownHosts },
    nodes: lab.hosts.map(({ name, address }) => {
      const own = roles[name]
      return own === undefined ? { name, address } : { name, address, roles: [...own] }
    }),
    ...more,
  }
}

/** Makes a release of the built `cw` in the operator's home, so that not every deployment makes its own. */
export async function makeRelease(lab: Lab): Promise<string> {
  const bundle = await lab.cw(['bundle', '--json'])
  if (bundle.code !== 0) throw new Error(`there is no release:\n${told(bundle)}`)
  return (JSON.parse(bundle.stdout) as { result: { file: string } }).result.file
}

/** A release under another version. @param broken a daemon of it that does not start */
export function releaseAs(lab: Lab, release: string, version: string, broken?: string): string {
  const folder = join(lab.home, `release-${version}`)
  mkdirSync(folder)
  execFileSync('tar', ['-xzf', release, '-C', folder, '--strip-components=1'])
  const manifest = join(folder, 'manifest.json')
  writeFileSync(
    manifest,
    readFileSync(manifest, 'utf8').replace(/"version": ".*"/, `"version": "${version}"`),
  )
  if (broken !== undefined) {
    const main = join(folder, 'dist', 'main.js')
    const exits = `if (process.argv[3] === ${JSON.stringify(broken)}) process.exit(1)\n`
    writeFileSync(main, exits + readFileSync(main, 'utf8'))
  }
  const file = join(lab.home, `clearwater-${version}-linux-${process.arch}.tar.gz`)
  const name = `s,^release-${version},clearwater-${version},`
  const entries = [`release-${version}/manifest.json`, `release-${version}`]
  execFileSync('tar', ['-czf', file, '-C', lab.home, '--transform', name, ...entries])
  rmSync(folder, { recursive: true })
  return file
}

export interface OperatorOptions {
  /** File that `cw deploy` puts on nodes. */
  readonly release: string
  readonly env?: NodeJS.ProcessEnv
  /** Name of the deployment file in the operator's home. */
  readonly file?: string
}

/** Who deploys to a lab. */
export class Operator {
  readonly #lab: Lab
  readonly #options: OperatorOptions

  constructor(lab: Lab, options: OperatorOptions) {
    this.#lab = lab
    this.#options = options
  }

  /** Writes the deployment file that all commands read from now on. */
  write(deployment: DeploymentFile): void {
    writeFileSync(this.file, stringify(deployment))
  }

  get file(): string {
    return join(this.#lab.home, this.#options.file ?? 'cw.yaml')
  }

  /** Runs a command to its end. */
  cw(...args: string[]): Promise<CwResult> {
    return this.#lab.cw(args, { env: this.#env, patienceMs: 600_000 })
  }

  deploy(...args: string[]): Promise<CwResult> {
    return this.cw('deploy', '--release', this.#options.release, ...args)
  }

  scale(...args: string[]): Promise<CwResult> {
    // How busy the machine of the lab is says nothing of the deployment.
    return this.cw('scale', '--release', this.#options.release, '--yes', '--accept', 'CAPACITY', ...args)
  }

  replace(...args: string[]): Promise<CwResult> {
    return this.cw('replace', '--release', this.#options.release, '--yes', ...args)
  }

  recoverEtcd(...args: string[]): Promise<CwResult> {
    return this.cw('recover', 'etcd', '--release', this.#options.release, '--yes', ...args)
  }

  /** Starts a deployment without questions, to be broken off. */
  startDeploy(): Child {
    return this.start('deploy', '--release', this.#options.release, '--yes')
  }

  start(...args: string[]): Child {
    return this.#lab.startCw(args, { env: this.#env })
  }

  get #env(): NodeJS.ProcessEnv {
    return { CW_FILE: this.file, ...this.#options.env }
  }
}

/** Runs etcdctl on a node, as root: who else is let in by etcd? */
export function etcdctl(host: Host, words: string, stdin?: string): Promise<string> {
  const tls = '/etc/clearwater/tls'
  const credentials = `--cacert ${tls}/authority.crt --cert ${tls}/client.pem --key ${tls}/client.pem`
  const command = `ETCDCTL_API=3 etcdctl --endpoints https://${host.address}:4000 ${credentials} ${words}`
  return host.must(command, { sudo: true, ...(stdin === undefined ? {} : { stdin }) })
}

/** All that a command has said, for the message of an assertion. */
export function told({ stdout, stderr }: Pick<CwResult, 'stdout' | 'stderr'>): string {
  return `${stdout}\n${stderr}`
}

/** Waits until a running command tells of something; fails if it ends before. */
export async function untilTold(child: Child, what: string | RegExp): Promise<void> {
  const isTold = (): boolean =>
    typeof what === 'string' ? child.stderr.includes(what) : what.test(child.stderr)
  await waitUntil(String(what), () => child.exit !== undefined || isTold(), 300_000)
  if (!isTold()) throw new Error(`cw has ended before ${String(what)}:\n${told(child)}`)
}
