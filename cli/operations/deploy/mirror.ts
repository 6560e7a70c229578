import type { EtcdClient } from '../../../lib/etcd/client.ts'
import type { Journal } from '../../fleet/journal.ts'

const JOURNAL_PREFIX = '/clearwater/operations/journal/'

export interface EtcdMirror {
  /** Waits until all is copied, or cannot be. */
  flush(): Promise<void>
}

/** Copies an operation's journal to etcd, a key a line, while it is written. What etcd does not take stays local. */
export function mirrorToEtcd(etcd: EtcdClient, id: string, journal: Journal): EtcdMirror {
  let last: Promise<unknown> = Promise.resolve()
  let failed = false
  journal.mirrorTo((index, line) => {
    last = last.then(async () => {
      if (failed) return
      try {
        await etcd.put(`${JOURNAL_PREFIX}${id}/${String(index).padStart(6, '0')}`, line)
      } catch {
        failed = true
      }
    })
  })
  return {
    flush: async () => {
      await last
    },
  }
}

/** The journals that etcd has, each as its text. */
export async function journalsInEtcd(etcd: Pick<EtcdClient, 'getPrefix'>): Promise<readonly string[]> {
  const { items } = await etcd.getPrefix(JOURNAL_PREFIX)
  const idOf = (key: string): string => key.slice(JOURNAL_PREFIX.length).split('/')[0] ?? ''
  return [...Map.groupBy(items, item => idOf(item.key)).values()].map(lines =>
    lines.map(line => `${line.value.toString('utf8')}\n`).join(''),
  )
}
