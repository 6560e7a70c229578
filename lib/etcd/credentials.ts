import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildConnector } from 'undici'
import { CwError } from '../kit/errors.ts'

/** What a client of etcd knows its members by, and what it shows them of itself. */
export interface EtcdCredentials {
  /** Certificate of the deployment's authority, PEM. */
  readonly authority: string
  /** The client's certificate and its key, PEM. */
  readonly client: string
}

/** A node's folder for them, and the files in it. */
export const CREDENTIALS_FOLDER = '/etc/clearwater/tls'
export const AUTHORITY_FILE = 'authority.crt'
export const CLIENT_FILE = 'client.pem'

/**
 * What every member's certificate names, whatever address it is reached by; the end of a tunnel has none that a
 * certificate could name. No other certificate of the deployment is one of a server.
 */
export const MEMBER_NAME = 'clearwater-etcd'

/** @throws CwError FILE_UNREADABLE */
export async function readCredentials(folder: string): Promise<EtcdCredentials> {
  const [authority, client] = await Promise.all([
    textOf(join(folder, AUTHORITY_FILE)),
    textOf(join(folder, CLIENT_FILE)),
  ])
  return { authority, client }
}

/**
 * Connects by TLS, with credentials that are read for each connection: those that were renewed are used without a
 * restart.
 */
export function tlsConnector(
  read: () => Promise<EtcdCredentials>,
  timeoutMs: number,
): buildConnector.connector {
  return (options, callback) => {
    read().then(
      ({ authority, client }) => {
        const connect = buildConnector({
          ...{ ca: authority, cert: client, key: client, minVersion: 'TLSv1.2' },
          ...{ timeout: timeoutMs, maxCachedSessions: 0 },
        })
        connect({ ...options, servername: MEMBER_NAME }, callback)
      },
      (error: unknown) => {
        callback(error instanceof Error ? error : new Error(String(error)), null)
      },
    )
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new CwError('FILE_UNREADABLE', `${file} cannot be read`, {
      where: { file },
      changed: 'nothing',
      remedies: ['write the files of this node again: cw deploy'],
      cause,
    })
  }
}
