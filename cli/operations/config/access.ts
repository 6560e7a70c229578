import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import { CREDENTIALS_FOLDER, readCredentials, type EtcdCredentials } from '../../../lib/etcd/credentials.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { connectEtcd, type ConnectOptions } from '../../fleet/etcd.ts'
import { loadDeployment } from '../deployment-file.ts'

/** A deployment's shared configuration within reach. */
export interface ConfigurationAccess extends AsyncDisposable {
  readonly deployment: Deployment
  readonly etcd: EtcdClient
  /** Those that are meant, at least one. */
  readonly sites: readonly string[]
}

export interface AccessOptions {
  /** The deployment file. */
  readonly file: string
  /** Absent: all. */
  readonly site?: string | undefined
  /** Members of etcd that are reached from here. */
  readonly etcd?: readonly string[] | undefined
  /** Folder of what they are shown of us; absent: that of a node. */
  readonly credentials?: string | undefined
  /** How nodes are logged in to. */
  readonly fleet: NonNullable<ConnectOptions['fleet']>
}

/** @throws CwError FILE_UNREADABLE, FILE_INVALID, USAGE, OPTION_INVALID, NODE_UNREACHABLE */
export async function openConfiguration(options: AccessOptions): Promise<ConfigurationAccess> {
  const deployment = await loadDeployment(options.file)
  const sites = sitesOf(deployment, options.site)
  const origins = options.etcd?.map(originOf)
  const { fleet, credentials: folder = CREDENTIALS_FOLDER } = options
  const credentials = (): Promise<EtcdCredentials> => readCredentials(folder)
  const etcd = await connectEtcd(
    deployment,
    origins === undefined ? { fleet } : { direct: { origins, credentials } },
  )
  return { deployment, etcd, sites, [Symbol.asyncDispose]: () => etcd.close() }
}

function sitesOf(deployment: Deployment, site: string | undefined): readonly string[] {
  if (site === undefined) return deployment.sites
  if (deployment.sites.includes(site)) return [site]
  throw new CwError('USAGE', `the deployment has no site ${site}`, {
    where: { file: deployment.file },
    changed: 'nothing',
    remedies: deployment.sites.map(each => `--site ${each}`),
  })
}

function originOf(text: string): string {
  const url = URL.parse(text)
  if (url?.protocol === 'https:' && url.pathname === '/') return url.origin
  throw new CwError('OPTION_INVALID', `--etcd "${text}" cannot be used`, {
    changed: 'nothing',
    remedies: ['write it like --etcd https://10.0.0.1:4000'],
  })
}
