import type { MemcachedCluster } from './cluster.ts'
import { MemcachedTable } from './table.ts'

const TABLE = 'secret'
const MOST_ATTEMPTS = 10

/**
 * A secret that all who share the cluster have, and those of another site: the first one's own, or the one that is there
 * already.
 *
 * @param own kept by the caller, so that a cluster that has forgotten it is told again
 * @throws CwError STORE_FAILED if no server answers
 */
export async function sharedSecret(
  { cluster, otherSite }: { readonly cluster: MemcachedCluster; readonly otherSite?: MemcachedCluster },
  name: string,
  own: string,
): Promise<string> {
  const table = new MemcachedTable<string>(cluster, {
    name: TABLE,
    codec: { encode: text => text, decode: text => (/^[\x21-\x7e]+$/.test(text) ? text : undefined) },
    lifeOf: () => Infinity,
    onForeign: () => undefined,
    // Sites that were founded apart agree on the lesser of theirs.
    ...(otherSite === undefined
      ? {}
      : {
          otherSite: {
            cluster: otherSite,
            merge: (one: string, another: string) => (one < another ? one : another),
            onBehind: () => undefined,
          },
        }),
  })
  for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
    const shared = await table.get(name)
    if (shared !== undefined) return shared.value
    if ((await table.put(name, own, undefined)) === 'stored') return own
  }
  return own
}
