import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { Deployment, SecretReference, SshSettings } from '../../lib/config/deployment/deployment.ts'
import { parseDeployment, type ParsedDeployment } from '../../lib/config/deployment/parse.ts'
import { formatFault, type Fault } from '../../lib/config/fault.ts'
import { findOption } from '../../lib/config/options.ts'
import { validateOption } from '../../lib/config/validate.ts'
import { replaceFile } from '../../lib/kit/atomic-file.ts'
import { CwError } from '../../lib/kit/errors.ts'

/**
 * The deployment that a file describes, with paths of keys made absolute.
 *
 * @throws CwError FILE_UNREADABLE, or FILE_INVALID with all faults
 */
export async function loadDeployment(path: string): Promise<Deployment> {
  return valid(path, await readDeployment(path))
}

/** The deployment that a text would describe if it stood in the file. @throws CwError FILE_INVALID with all faults */
export function deploymentIn(text: string, path: string): Deployment {
  return valid(path, parsedWithPaths(text, resolve(path)))
}

function valid(path: string, parsed: ParsedDeployment): Deployment {
  if ('deployment' in parsed) return parsed.deployment
  throw faultsError(path, parsed.faults)
}

/** The same, with what is wrong as a value. @throws CwError FILE_UNREADABLE */
export async function readDeployment(path: string): Promise<ParsedDeployment> {
  const file = resolve(path)
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new CwError('FILE_UNREADABLE', 'the deployment file cannot be read', {
      where: { file: path },
      changed: 'nothing',
      remedies: ['write one: cw init', 'or name it: --file FILE'],
      cause,
    })
  })
  return parsedWithPaths(text, file)
}

function parsedWithPaths(text: string, file: string): ParsedDeployment {
  const parsed = parseDeployment(text, file)
  if ('faults' in parsed) return parsed
  const { deployment } = parsed
  const withPaths = (ssh: SshSettings): SshSettings => absolute(ssh, dirname(file))
  return {
    ...parsed,
    deployment: {
      ...deployment,
      ssh: withPaths(deployment.ssh),
      nodes: deployment.nodes.map(node => ({ ...node, ssh: withPaths(node.ssh) })),
    },
  }
}

/** Every fault of a file in one error. */
export function faultsError(path: string, faults: readonly Fault[]): CwError {
  const errors = faults.filter(fault => fault.severity === 'error')
  const line = errors.find(fault => fault.line !== undefined)?.line
  return new CwError('FILE_INVALID', `the deployment file has ${counted(errors.length, 'fault')}`, {
    where: { file: path, ...(line === undefined ? {} : { line }) },
    why: faults.map(formatFault).join('\n'),
    changed: 'nothing',
    remedies: ['mend the file, then: cw config check', 'cw config explain NAME tells what a key means'],
  })
}

/**
 * The value of every secret that a deployment file refers to, by the option's name. The line end of a file is left out.
 *
 * @throws CwError OPTION_INVALID with all that cannot be had or used
 */
export async function readSecrets(deployment: Deployment): Promise<ReadonlyMap<string, string>> {
  const values = new Map<string, string>()
  const faults: string[] = []
  for (const [name, reference] of deployment.secrets) {
    const value = await secretAt(reference, dirname(deployment.file))
    const option = findOption(name)
    const wrong =
      typeof value === 'string' && option !== undefined ? validateOption(option, value) : undefined
    if (typeof value !== 'string') faults.push(`${name}: ${value.why}`)
    else if (wrong !== undefined) faults.push(wrong)
    else values.set(name, value)
  }
  if (faults.length === 0) return values
  throw new CwError(
    'OPTION_INVALID',
    `${counted(faults.length, 'secret')} of the deployment cannot be used`,
    {
      where: { file: deployment.file },
      why: faults.join('\n'),
      changed: 'nothing',
      remedies: ['set the variable or write the file, and run the command again'],
    },
  )
}

async function secretAt(
  reference: SecretReference,
  folder: string,
): Promise<string | { readonly why: string }> {
  if ('env' in reference) {
    const value = process.env[reference.env] ?? ''
    return value === '' ? { why: `the environment has no ${reference.env}` } : value
  }
  const file = fromFolder(folder, reference.file)
  try {
    const value = (await readFile(file, 'utf8')).replace(/\r?\n$/, '')
    return value === '' ? { why: `${file} is empty` } : value
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) }
  }
}

function absolute(ssh: SshSettings, folder: string): SshSettings {
  const { identityFile, knownHosts } = ssh
  return {
    ...ssh,
    ...(identityFile === undefined ? {} : { identityFile: fromFolder(folder, identityFile) }),
    ...(knownHosts === undefined ? {} : { knownHosts: fromFolder(folder, knownHosts) }),
  }
}

/** As a shell standing in the folder would take a path. */
function fromFolder(folder: string, path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : resolve(folder, path)
}

function counted(count: number, thing: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'}`
}

/**
 * Replaces a deployment file by an edited one.
 *
 * @param path how the operator calls it
 * @param edit what it said when it was read, what it is to say, when somebody else may have edited it (`meanwhile`), and
 *   whether something else has been changed by now
 * @throws CwError FILE_INVALID if somebody else has edited it meanwhile
 */
export async function replaceDeployment(
  path: string,
  file: string,
  edit: {
    readonly text: string
    readonly edited: string
    readonly when: string
    readonly changed: 'nothing' | 'some'
  },
): Promise<void> {
  if ((await readFile(file, 'utf8')) !== edit.text) {
    throw new CwError('FILE_INVALID', `the deployment file was edited ${edit.when}`, {
      where: { file: path },
      changed: edit.changed,
      remedies: ['do it again'],
    })
  }
  await replaceFile(file, edit.edited, 0o644)
}
