import { z } from 'zod'
import { SHARED_FILES, configurationKey } from '../../../lib/etcd/layout.ts'
import type { SharedFileName } from '../../../lib/config/shared-file.ts'
import { action, type ChangeBase } from './action.ts'
import { requireServing } from './etcd-member.ts'

interface Params {
  readonly name: SharedFileName
  readonly template: string
}

export interface EtcdValueChange extends ChangeBase {
  readonly action: 'etcd-value'
  readonly key: string
  readonly sha256: string
}

/** A shared file of every site, put into etcd where it is not there yet; from then on it is changed by `cw config`. */
export const etcdValue = action<Params, EtcdValueChange>({
  schema: z.strictObject({ name: z.enum(SHARED_FILES), template: z.string() }),
  probes: () => [],
  changes({ name, template }, { etcd, sites, render, keep }) {
    requireServing(etcd)
    const missing = sites
      .map(site => configurationKey(site, name))
      .filter(key => etcd.state !== 'healthy' || !etcd.values.has(key))
    if (missing.length === 0) return []
    const sha256 = keep(render(template))
    return missing.map(key => ({ action: 'etcd-value', summary: `put ${key} into etcd`, key, sha256 }))
  },
  async carryOut({ key, sha256 }, tools) {
    const client = await tools.etcd()
    // Another may have put it meanwhile: then theirs stays.
    await client.put(key, tools.content(sha256), { ifRevision: 0 })
  },
})
