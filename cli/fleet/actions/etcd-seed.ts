import { z } from 'zod'
import { action, type ChangeBase } from './action.ts'
import { requireServing } from './etcd-member.ts'

interface Params {
  readonly template: string
}

export interface EtcdSeedChange extends ChangeBase {
  readonly action: 'etcd-seed'
  readonly key: string
  readonly value: string
}

/**
 * Values that are put into etcd where there are none yet; from then on they are changed by who they belong to. The template
 * gives a line for each: the key, a space, the value.
 */
export const etcdSeed = action<Params, EtcdSeedChange>({
  schema: z.strictObject({ template: z.string() }),
  probes: () => [],
  changes({ template }, { etcd, render }) {
    const lines = render(template)
      .split('\n')
      .filter(line => line.startsWith('/'))
    if (lines.length === 0) return []
    requireServing(etcd)
    return lines.flatMap((line): EtcdSeedChange[] => {
      const [key = ''] = line.split(' ', 1)
      if (etcd.state === 'healthy' && etcd.values.has(key)) return []
      return [
        { action: 'etcd-seed', summary: `put ${key} into etcd`, key, value: line.slice(key.length + 1) },
      ]
    })
  },
  async carryOut({ key, value }, tools) {
    const client = await tools.etcd()
    // Another may have put it meanwhile: then theirs stays.
    await client.put(key, value, { ifRevision: 0 })
  },
})
