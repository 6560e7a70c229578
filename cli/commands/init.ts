import { Flags } from '@oclif/core'
import { access } from 'node:fs/promises'
import { ROLES, type Role } from '../../lib/config/deployment/deployment.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { CwCommand } from '../command.ts'
import type { InitAnswers } from '../operations/init.ts'
import type { Outcome } from '../render/report.ts'
import { deploymentFlag } from './deployment-flag.ts'

const HOSTS: Readonly<Record<Purpose, string>> = {
  bono: 'Edge proxies, for phones.',
  sprout: 'Call control: I-CSCF, S-CSCF, BGCF.',
  homestead: 'Subscriber data.',
  homer: 'Service documents (XDMS).',
  ellis: 'Portal.',
  ralf: 'Charging.',
  memento: 'Call lists.',
  spare: 'Hosts kept for scaling and repair.',
}

export default class Init extends CwCommand {
  static override summary = 'Write a deployment file.'
  static override description = `Asks for what is not given by a flag; without a terminal what is missing is an error. An existing file is
never overwritten without --force. Hosts are IP addresses with commas, each perhaps with the one that clients outside
use: 10.0.0.1=203.0.113.1. The same address under several roles is one node that has them all.`
  static override examples = [
    '<%= config.bin %> init',
    '<%= config.bin %> init --domain ims.example.com --bono 10.0.0.1 --sprout 10.0.0.2 --homestead 10.0.0.3 --homer 10.0.0.4 --ellis 10.0.0.5 --ralf 10.0.0.6 --spare 10.0.0.7,10.0.0.8',
  ]
  static override flags = {
    ...deploymentFlag,
    force: Flags.boolean({ summary: 'Overwrite an existing file.' }),
    name: Flags.string({ summary: 'Name of the deployment. Default: the first part of the domain.' }),
    domain: Flags.string({ summary: 'The home domain.', env: 'CLEARWATER_DOMAIN' }),
    'ssh-user': Flags.string({ summary: 'Who logs in to the hosts. Default: root.' }),
    'identity-file': Flags.string({
      summary: 'Private key for SSH. Default: the SSH agent.',
      helpValue: 'FILE',
    }),
    jump: Flags.string({ summary: 'Host that the others are reached through.', helpValue: 'USER@HOST:PORT' }),
    bono: hostFlag('bono'),
    sprout: hostFlag('sprout'),
    homestead: hostFlag('homestead'),
    homer: hostFlag('homer'),
    ellis: hostFlag('ellis'),
    ralf: hostFlag('ralf'),
    memento: hostFlag('memento'),
    spare: hostFlag('spare'),
  }

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(Init)
    const { existsError, writeDeployment } = await import('../operations/init.ts')
    if (!flags.force && (await exists(flags.file))) throw existsError(flags.file)

    const given: Given = {
      ...flags,
      sshUser: flags['ssh-user'],
      identityFile: flags['identity-file'],
      hosts: { ...flags },
    }
    await this.#checkGiven(given)
    const answers = await this.#complete(given)
    await writeDeployment(flags.file, answers, flags.force)
    const nodes = new Set(Object.values(answers.hosts).flatMap(each => each.map(host => host.split('=')[0])))
    return {
      result: { file: flags.file, name: answers.name, domain: answers.domain, nodes: nodes.size },
      text: `wrote ${flags.file}\nnext: look through it, then cw check, cw deploy`,
    }
  }

  /** A flag that cannot be right is told before anything is asked. */
  async #checkGiven(given: Given): Promise<void> {
    const { CHECKS } = await import('../operations/init.ts')
    const { name, domain, sshUser, identityFile, jump, hosts } = given
    const flags: readonly (readonly [string, string | undefined, (text: string) => string | undefined])[] = [
      ['name', name, CHECKS.name],
      ['domain', domain, CHECKS.domain],
      ['ssh-user', sshUser, CHECKS.sshUser],
      ['identity-file', identityFile, CHECKS.identityFile],
      ['jump', jump, CHECKS.jump],
      ...PURPOSES.map(purpose => [purpose, hosts[purpose]?.join(','), CHECKS.hosts] as const),
    ]
    for (const [flag, text, check] of flags) {
      const wrong = text === undefined ? undefined : check(text)
      if (wrong !== undefined) {
        throw new CwError('OPTION_INVALID', `--${flag} ${wrong}`, {
          changed: 'nothing',
          remedies: ['cw init --help'],
        })
      }
    }
  }

  async #complete(given: Given): Promise<InitAnswers> {
    const { hostsIn, nameFrom, NEEDED_ROLES } = await import('../operations/init.ts')
    const missing = [
      ...(given.domain === undefined ? ['--domain'] : []),
      ...NEEDED_ROLES.filter(role => given.hosts[role] === undefined).map(role => `--${role}`),
    ]
    if (missing.length > 0 && !this.interactive) {
      throw new CwError('USAGE', `missing: ${missing.join(', ')}`, {
        changed: 'nothing',
        remedies: ['give them as flags, or run cw init at a terminal, which asks', 'cw init --help'],
      })
    }
    const whole = missing.length > 0 ? await askFor(given) : given
    const { domain = '' } = whole
    const hostsFor = (purpose: Purpose): readonly string[] => (whole.hosts[purpose] ?? []).flatMap(hostsIn)
    return {
      name: whole.name ?? nameFrom(domain),
      domain,
      sshUser: whole.sshUser ?? 'root',
      identityFile: whole.identityFile,
      jump: whole.jump,
      hosts: {
        bono: hostsFor('bono'),
        sprout: hostsFor('sprout'),
        homestead: hostsFor('homestead'),
        homer: hostsFor('homer'),
        ellis: hostsFor('ellis'),
        ralf: hostsFor('ralf'),
        memento: hostsFor('memento'),
        spare: hostsFor('spare'),
      },
    }
  }
}

type Purpose = Role | 'spare'

const PURPOSES: readonly Purpose[] = [...ROLES, 'spare']

/** What the flags say. */
interface Given {
  readonly name?: string | undefined
  readonly domain?: string | undefined
  readonly sshUser?: string | undefined
  readonly identityFile?: string | undefined
  readonly jump?: string | undefined
  readonly hosts: { readonly [purpose in Purpose]?: readonly string[] | undefined }
}

/** Asks, in the order of the file, for what no flag says. */
async function askFor(given: Given): Promise<Given> {
  const [{ input }, { CHECKS, nameFrom, NEEDED_ROLES }] = await Promise.all([
    import('@inquirer/prompts'),
    import('../operations/init.ts'),
  ])
  const ask = (
    message: string,
    preset: string,
    check: (text: string) => string | undefined,
  ): Promise<string> =>
    input({ message, default: preset, validate: text => told(check(text)) }, { output: process.stderr })
  const domain = given.domain ?? (await ask('Home domain', 'ims.example.com', CHECKS.domain))
  const name = given.name ?? (await ask('Name of the deployment', nameFrom(domain), CHECKS.name))
  const sshUser = given.sshUser ?? (await ask('User for SSH', 'root', CHECKS.sshUser))
  const identityFile =
    given.identityFile ?? (await ask('Private key for SSH; empty for the agent', '', CHECKS.identityFile))
  const hosts: { [purpose in Purpose]?: readonly string[] } = {}
  for (const purpose of PURPOSES) {
    const needed = (NEEDED_ROLES as readonly string[]).includes(purpose)
    const message = `Addresses for ${purpose}: ${HOSTS[purpose]}${needed ? '' : ' Empty for none.'}`
    hosts[purpose] = given.hosts[purpose] ?? [
      await ask(message, '', text => (needed && text.trim() === '' ? 'is needed' : CHECKS.hosts(text))),
    ]
  }
  return {
    name,
    domain,
    sshUser,
    jump: given.jump,
    ...(identityFile === '' ? {} : { identityFile }),
    hosts,
  }
}

/** As the prompt wants it. */
function told(wrong: string | undefined): true | string {
  return wrong === undefined ? true : `it ${wrong}`
}

function hostFlag(purpose: Purpose) {
  return Flags.string({
    summary: HOSTS[purpose],
    helpValue: 'ADDRESSES',
    multiple: true,
    multipleNonGreedy: true,
  })
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}
