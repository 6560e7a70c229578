import { CwError } from '../../../lib/kit/errors.ts'
import { fingerprintOf, keyTypeOf, type HostKeyVerdict, type KnownHosts } from './known-hosts.ts'
import type { Endpoint } from './endpoint.ts'

/** A host that is met for the first time, as a person may be asked about it. */
export interface HostKeyQuestion {
  readonly node: string
  readonly address: string
  readonly port: number
  readonly keyType: string
  readonly fingerprint: string
}

/** Who decides about hosts that are met for the first time. Without either, nobody does, and they are refused. */
export interface FirstContact {
  /** Take them as they are, and write them to known_hosts: `--accept-new`. */
  readonly acceptNew?: boolean | undefined
  readonly confirmHostKey?: ((question: HostKeyQuestion) => Promise<boolean>) | undefined
}

/**
 * Order in which key types are asked for, SHA-1 left out.
 *
 * A type that is known of the host comes first, as OpenSSH does it: else a host with several keys shows one that
 * nobody has noted yet.
 */
const ALGORITHMS = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
} as const

type HostKeyAlgorithm = (typeof ALGORITHMS)[keyof typeof ALGORITHMS][number]

export function hostKeyAlgorithms(knownTypes: readonly string[]): HostKeyAlgorithm[] {
  const rank = ([type]: [string, unknown]): number => (knownTypes.includes(type) ? 0 : 1)
  return Object.entries(ALGORITHMS)
    .sort((a, b) => rank(a) - rank(b))
    .flatMap(([, algorithms]) => algorithms)
}

/**
 * Decides about a key that known_hosts does not vouch for. Returns when it has been accepted and written down;
 * HOST_KEY_CHANGED or HOST_KEY_UNKNOWN otherwise.
 */
export async function settleHostKey(
  endpoint: Endpoint,
  key: Buffer,
  verdict: HostKeyVerdict,
  knownHosts: KnownHosts,
  firstContact: FirstContact,
): Promise<void> {
  if (verdict.kind === 'known') return
  if (verdict.kind !== 'unknown') throw refused(endpoint, key, verdict)
  const question = {
    node: endpoint.name,
    address: endpoint.host,
    port: endpoint.port,
    keyType: keyTypeOf(key) ?? 'unknown',
    fingerprint: fingerprintOf(key),
  }
  const accepted = firstContact.acceptNew === true || (await firstContact.confirmHostKey?.(question)) === true
  if (!accepted) throw unknown(endpoint, question, firstContact.confirmHostKey !== undefined)
  await knownHosts.add(endpoint.host, endpoint.port, key)
}

function unknown(endpoint: Endpoint, question: HostKeyQuestion, asked: boolean): CwError {
  return new CwError(
    'HOST_KEY_UNKNOWN',
    `${endpoint.name} is met for the first time, and its key is not confirmed`,
    {
      where: { host: endpoint.name, address: endpoint.address },
      why: `it shows ${question.keyType} ${question.fingerprint}; ${
        asked ? 'the answer was no' : 'known_hosts has no line about it, and nobody can be asked'
      }`,
      changed: 'nothing',
      remedies: [
        'compare with what its console says: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub',
        'trust new hosts as they are: --accept-new',
      ],
    },
  )
}

function refused(
  endpoint: Endpoint,
  key: Buffer,
  { kind, known }: Extract<HostKeyVerdict, { kind: 'changed' | 'revoked' }>,
): CwError {
  const shown = `${keyTypeOf(key) ?? 'key'} ${fingerprintOf(key)}`
  const host = endpoint.port === 22 ? endpoint.host : `[${endpoint.host}]:${endpoint.port}`
  const changed = kind === 'changed'
  return new CwError(
    'HOST_KEY_CHANGED',
    changed
      ? `${endpoint.name} shows another host key than before`
      : `the host key of ${endpoint.name} is revoked`,
    {
      where: { host: endpoint.name, address: endpoint.address, file: known.file, line: known.line },
      why: changed
        ? `known_hosts has ${known.keyType} ${known.fingerprint}, the host shows ${shown}`
        : `known_hosts marks ${shown} as revoked`,
      changed: 'nothing',
      remedies: changed
        ? [
            `if the host was installed anew: ssh-keygen -R '${host}' -f '${known.file}'`,
            'if it was not, something else answers at its address: do not log in',
          ]
        : ['give the host a new key, or take the line away if it is wrong'],
    },
  )
}
