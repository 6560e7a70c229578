import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import type { DeploymentNode } from '../../lib/config/deployment/deployment.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { endpointOf, jumpOf, type Endpoint } from '../fleet/ssh/endpoint.ts'
import { commandLine } from '../fleet/ssh/quote.ts'

/**
 * What OpenSSH is called with to log in to a node as the deployment file says.
 *
 * A jump host gets a command of its own rather than `-J`, which would not take our key and known_hosts along.
 *
 * @param command absent: a login shell
 */
export function sshArguments(
  node: DeploymentNode,
  command: readonly string[] | undefined,
): readonly string[] {
  const jump = jumpOf(node)
  const proxy =
    jump === undefined
      ? []
      : [
          '-o',
          `ProxyCommand=${escaped(commandLine(['ssh', ...optionsOf(jump), '-W', HOLE, '--', jump.host]))}`,
        ]
  const endpoint = endpointOf(node)
  const end = command === undefined ? [] : [commandLine(command)]
  return [...optionsOf(endpoint), ...proxy, '--', endpoint.host, ...end]
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
