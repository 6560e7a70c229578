import type { Deployment, DeploymentNode, Role } from '../../../lib/config/deployment/deployment.ts'
import { withSharedSubscribers } from '../../../lib/config/deployment/cassandra.ts'
import { withSharedRegistrations } from '../../../lib/config/deployment/memcached.ts'

/** A deployment for tests: nodes by name, each with its roles; addresses count up from 127.83.1.1. */
export function deploymentOf(nodes: Readonly<Record<string, readonly Role[]>>): Deployment {
  return {
    ...{ name: 'lab', domain: 'ims.test', sites: ['site1'], file: '/nowhere/cw.yaml' },
    nodes: withSharedSubscribers(
      withSharedRegistrations(
        Object.entries(nodes).map(([name, roles], index) => nodeOf(name, roles, index)),
      ),
      new Map(),
    ),
    settings: new Map(),
    secrets: new Map(),
    ssh: { user: 'ops', port: 22 },
  }
}

function nodeOf(
  name: string,
  roles: readonly Role[],
  index: number,
): Omit<DeploymentNode, 'sharesRegistrations' | 'sharesSubscribers'> {
  const address = `127.83.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`
  return {
    ...{ name, address, publicAddress: address, publicHostname: address, site: 'site1', roles },
    ssh: { user: 'ops', port: 22 },
    local: new Map(),
    user: new Map(),
  }
}
