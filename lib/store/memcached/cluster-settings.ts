import { CwError } from '../../kit/errors.ts'

/** The servers of a cluster, in the order that places values: the same on every node. */
export interface ClusterView {
  /** `address:port`, IPv6 addresses in brackets. */
  readonly servers: readonly string[]
  /** Those that there are to be, while the cluster grows or shrinks. */
  readonly newServers?: readonly string[]
}

export interface ServerAddress {
  readonly host: string
  readonly port: number
}

const KEYS = new Set(['servers', 'new_servers'])

/**
 * Reads `cluster_settings`: `servers=` and, while the cluster changes, `new_servers=`, each a list of `address:port`.
 * An empty `servers` beside `new_servers` stands for a change that is over.
 *
 * @param file named in errors
 * @throws CwError FILE_INVALID with the line, also where no server is named
 */
export function parseClusterSettings(text: string, file: string): ClusterView {
  const lists = new Map<string, readonly string[]>()
  text.split(/\r?\n/).forEach((line, index) => {
    const content = line.trim()
    if (content === '' || content.startsWith('#')) return
    const [key = '', ...rest] = content.split('=')
    const fail = (why: string): CwError =>
      new CwError('FILE_INVALID', `${file} is no list of memcached servers`, {
        where: { file, line: index + 1 },
        why,
        changed: 'nothing',
        remedies: ['write the files of this node again: cw deploy'],
      })
    if (!KEYS.has(key.trim()) || rest.length === 0) throw fail(`${key} is neither servers nor new_servers`)
    if (lists.has(key.trim())) throw fail(`${key} is given twice`)
    const names = rest.join('=').split(',').map(name => name.trim()).filter(name => name !== '') // prettier-ignore
    const wrong = names.find(name => parseServerAddress(name) === undefined)
    if (wrong !== undefined) throw fail(`${wrong} is no address with a port`)
    lists.set(key.trim(), [...new Set(names)])
  })
  const [servers = [], newServers = []] = ['servers', 'new_servers'].map(key => lists.get(key))
  const stable = servers.length > 0 ? servers : newServers
  if (stable.length === 0)
    throw new CwError('FILE_INVALID', `${file} names no memcached server`, {
      where: { file },
      changed: 'nothing',
      remedies: ['write the files of this node again: cw deploy'],
    })
  return servers.length > 0 && newServers.length > 0 ? { servers, newServers } : { servers: stable }
}

/** Takes `address:port` apart; undefined if it is none. */
export function parseServerAddress(name: string): ServerAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(name)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port }
}
