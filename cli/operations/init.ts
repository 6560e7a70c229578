import { rename, rm, writeFile } from 'node:fs/promises'
import { ROLES, type Role } from '../../lib/config/deployment/deployment.ts'
import { parseDeployment } from '../../lib/config/deployment/parse.ts'
import { LABEL, SSH_JUMP, SSH_USER } from '../../lib/config/deployment/schema.ts'
import { checkWord } from '../../lib/config/deployment/shape.ts'
import { formatFault } from '../../lib/config/fault.ts'
import { checkValue } from '../../lib/config/value.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { deploymentText, type Host } from './init-text.ts'

/** What a deployment file cannot be written without. */
export interface InitAnswers {
  readonly name: string
  readonly domain: string
  readonly sshUser: string
  readonly identityFile: string | undefined
  readonly jump: string | undefined
  /** `ADDRESS` or `ADDRESS=PUBLIC_ADDRESS`, by what the hosts are for. One address under several roles is one node. */
  readonly hosts: Readonly<Record<Role | 'spare', readonly string[]>>
}

/** Roles without which a deployment carries no call. */
export const NEEDED_ROLES = ['bono', 'sprout', 'homestead'] as const satisfies readonly Role[]

/** A name for the deployment that is in the domain already. */
export function nameFrom(domain: string): string {
  const label = domain.split('.')[0]?.toLowerCase() ?? ''
  return /^[a-z][a-z0-9-]*$/.test(label) ? label : 'clearwater'
}

type Check = (text: string) => string | undefined

/** What is wrong with an answer, as the end of a sentence; undefined if nothing. */
export const CHECKS = {
  name: text => checkWord(LABEL, text),
  domain: text => checkValue({ type: 'domain' }, text),
  sshUser: text => checkWord(SSH_USER, text),
  jump: text => checkWord(SSH_JUMP, text),
  identityFile: text => checkValue({ type: 'text' }, text),
  hosts: checkHosts,
} satisfies Record<string, Check>

/** A list of hosts with commas. */
function checkHosts(text: string): string | undefined {
  for (const entry of hostsIn(text)) {
    const [address = '', shown = address, ...more] = entry.split('=')
    const wrong = checkValue({ type: 'ip' }, address) ?? checkValue({ type: 'ip' }, shown)
    if (wrong !== undefined || more.length > 0) {
      return `is a list of IP addresses, each perhaps with its public one: 10.0.0.1=203.0.113.1; not ${JSON.stringify(entry)}`
    }
  }
  return undefined
}

/** The entries of such a list. */
export function hostsIn(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter(entry => entry !== '')
}

/**
 * Writes a deployment file, and returns its text. An existing one stays unless `force` is set.
 *
 * @throws CwError NOT_CONFIRMED if the file exists, OPTION_INVALID, FILE_UNREADABLE if it cannot be written
 */
export async function writeDeployment(file: string, answers: InitAnswers, force: boolean): Promise<string> {
  const text = deploymentText({ ...answers, hosts: namedHosts(answers.hosts) })
  const parsed = parseDeployment(text, file)
  if ('faults' in parsed) {
    throw new CwError('OPTION_INVALID', 'no deployment can be described with these answers', {
      why: parsed.faults
        .map(fault => formatFault({ severity: fault.severity, message: fault.message }))
        .join('\n'),
      changed: 'nothing',
    })
  }
  try {
    if (force) await replace(file, text)
    else await writeFile(file, text, { flag: 'wx' })
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') throw existsError(file)
    throw new CwError('FILE_UNREADABLE', 'the deployment file cannot be written', {
      where: { file },
      changed: 'nothing',
      cause,
    })
  }
  return text
}

export function existsError(file: string): CwError {
  return new CwError('NOT_CONFIRMED', 'there is a deployment file already; it was left as it is', {
    where: { file },
    changed: 'nothing',
    remedies: ['write another: --file FILE', 'or overwrite it: --force'],
  })
}

/** A reader finds the old file or the new one, never half of it. */
async function replace(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.new`
  try {
    await writeFile(temporary, text, { flag: 'wx' })
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** Nodes by their addresses, each named after the first of its roles and counted in it. */
function namedHosts(hosts: InitAnswers['hosts']): readonly Host[] {
  const found = new Map<string, { readonly publicAddress: string | undefined; readonly roles: Role[] }>()
  for (const purpose of [...ROLES, 'spare'] as const) {
    for (const entry of hosts[purpose]) {
      const [address = '', publicAddress] = entry.split('=')
      const host = found.get(address) ?? { publicAddress, roles: [] }
      found.set(address, host)
      if (purpose !== 'spare') host.roles.push(purpose)
    }
  }
  const counts = new Map<string, number>()
  return [...found].map(([address, { publicAddress, roles }]) => {
    const kind = roles[0] ?? 'spare'
    const count = (counts.get(kind) ?? 0) + 1
    counts.set(kind, count)
    return { name: `${kind}-${count}`, address, publicAddress, roles }
  })
}
