import type { EtcdClient } from '../../../lib/etcd/client.ts'
import type { Journal } from '../../fleet/journal.ts'

const JOURNAL_PREFIX = '/clearwater/operations/journal/'

export interface EtcdMirror {
  /** Waits until all is copied, or cannot be. */
  flush(): Promise<void>
}

/** After a failure the next line is not tried at once: each try may take as long as etcd is given. */
const PAUSE_MS = 10_000

/**
 * Copies an operation's journal to etcd, a key a line, while it is written. What etcd does not take at once it gets
 * later, with another line or at the end; what it does not take then either stays local.
 */
export function mirrorToEtcd(
  etcd: Pick<EtcdClient, 'put'>,
  id: string,
  journal: Pick<Journal, 'mirrorTo'>,
  now = () => performance.now(),
): EtcdMirror {
  const waiting: { readonly key: string; readonly line: string }[] = []
  let notBefore = 0
  const copy = async (): Promise<void> => {
    try {
      for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
        await etcd.put(next.key, next.line)
        waiting.shift()
      }
    } catch {
      notBefore = now() + PAUSE_MS
    }
  }
  let last: Promise<void> = Promise.resolve()
  journal.mirrorTo((index, line) => {
    waiting.push({ key: `${JOURNAL_PREFIX}${id}/${String(index).padStart(6, '0')}`, line })
    last = last.then(() => (now() < notBefore ? undefined : copy()))
  })
  return {
    flush: async () => {
      await last
      await copy()
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
