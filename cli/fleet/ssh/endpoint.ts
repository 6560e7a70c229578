import { isIPv6 } from 'node:net'
import { CwError } from '../../../lib/kit/errors.ts'

/** Where a node is and how to get in: what the SSH layer needs of the deployment file. */
export interface SshNode {
  readonly name: string
  readonly address: string
  readonly ssh: {
    readonly user: string
    readonly port: number
    readonly identityFile?: string | undefined
    /** `[user@]host[:port]`, a host to go through; several, the nearest to us first, with commas between. */
    readonly jump?: string | undefined
    readonly knownHosts?: string | undefined
  }
}

/** One SSH server to log in to: a node, or the host on the way to it. */
export interface Endpoint {
  /** As it is called in messages. */
  readonly name: string
  readonly host: string
  readonly port: number
  readonly user: string
  readonly identityFile?: string | undefined
  readonly knownHosts?: string | undefined
  /** `host:port`, for people. */
  readonly address: string
}

export function endpointOf({ name, address, ssh }: SshNode): Endpoint {
  const { user, port, identityFile, knownHosts } = ssh
  return { name, host: address, port, user, identityFile, knownHosts, address: formatAddress(address, port) }
}

/**
 * The hosts on the way to a node, the nearest to us first; their user and key are the node's unless they say otherwise.
 *
 * @throws CwError FILE_INVALID
 */
export function jumpsOf({ ssh }: SshNode): readonly Endpoint[] {
  return ssh.jump?.split(',').map(text => jumpHost(text, ssh)) ?? []
}

function jumpHost(text: string, ssh: SshNode['ssh']): Endpoint {
  const parts = /^(?:(?<user>[^@]+)@)?(?:\[(?<v6>[^\]]+)\]|(?<host>[^:]+))(?::(?<port>\d+))?$/.exec(
    text,
  )?.groups
  const host = parts?.v6 ?? parts?.host
  const port = Number(parts?.port ?? 22)
  if (host === undefined || port < 1 || port > 65_535) {
    throw new CwError('FILE_INVALID', `the jump host ${text} is not of the form user@host:port`, {
      changed: 'nothing',
      remedies: ['correct ssh.jump in the deployment file'],
    })
  }
  return {
    name: `jump host ${host}`,
    host,
    port,
    user: parts?.user ?? ssh.user,
    identityFile: ssh.identityFile,
    knownHosts: ssh.knownHosts,
    address: formatAddress(host, port),
  }
}

function formatAddress(host: string, port: number): string {
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`
}
