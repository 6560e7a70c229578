import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import type { DeploymentNode } from '../../lib/config/deployment/deployment.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { endpointOf, jumpsOf, type Endpoint, type SshNode } from '../fleet/ssh/endpoint.ts'
import { commandLine } from '../fleet/ssh/quote.ts'

/**
 * What OpenSSH is called with to log in to a node as the deployment file says.
 *
 * A jump host gets a command of its own rather than `-J`, which would not take our key and known_hosts along.
 *
 * @param command absent: a login shell
 */
export function sshArguments(node: SshNode, command: readonly string[] | undefined): readonly string[] {
  const endpoint = endpointOf(node)
  const end = command === undefined ? [] : [commandLine(command)]
  return [...optionsOf(endpoint), ...proxyOf(jumpsOf(node)), '--', endpoint.host, ...end]
}

/** How to get behind jump hosts: by the last of them, which is reached by way of those before it. */
function proxyOf(jumps: readonly Endpoint[]): readonly string[] {
  const last = jumps.at(-1)
  if (last === undefined) return []
  const words = ['ssh', ...optionsOf(last), ...proxyOf(jumps.slice(0, -1)), '-W', HOLE, '--', last.host]
  return ['-o', `ProxyCommand=${escaped(commandLine(words))}`]
}

/** Stands for where to go until the percent signs of all else have been escaped. */
const HOLE = '\u0001'

/** OpenSSH reads percent signs in a ProxyCommand as its own. */
function escaped(line: string): string {
  return line.replaceAll('%', '%%').replaceAll(`'${HOLE}'`, "'[%h]:%p'")
}

function optionsOf({ user, port, identityFile, knownHosts }: Endpoint): readonly string[] {
  return [
    ...['-l', user, '-p', String(port)],
    ...(identityFile === undefined ? [] : ['-i', identityFile.replaceAll('%', '%%')]),
    ...(knownHosts === undefined ? [] : ['-o', `UserKnownHostsFile="${knownHosts.replaceAll('%', '%%')}"`]),
  ]
}

/**
 * Hands the terminal over to OpenSSH until it ends.
 *
 * @returns its exit code, which is the remote command's; 255 where it could not log in
 * @throws CwError PREREQUISITE_MISSING
 */
export async function openSsh(node: DeploymentNode, command: readonly string[] | undefined): Promise<number> {
  const child = spawn('ssh', sshArguments(node, command), { stdio: 'inherit' })
  // Ctrl-C is for the far side; ssh ends when that does.
  const ignore = (): void => undefined
  process.on('SIGINT', ignore)
  try {
    const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null]
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal])
  } catch (cause) {
    throw new CwError('PREREQUISITE_MISSING', 'there is no ssh on this machine', {
      changed: 'nothing',
      remedies: ['apt-get install openssh-client'],
      cause,
    })
  } finally {
    process.removeListener('SIGINT', ignore)
  }
}
