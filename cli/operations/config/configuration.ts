import type { SharedFileName } from '../../../lib/config/shared-file.ts'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import { configurationKey, configurationPrefix, SHARED_FILES } from '../../../lib/etcd/layout.ts'

/** A shared file as etcd has it. */
export interface SharedText {
  readonly text: string
  readonly revision: number
}

export interface SiteConfiguration {
  readonly site: string
  readonly files: ReadonlyMap<SharedFileName, SharedText>
}

/** What etcd has for each site. */
export function readConfiguration(
  etcd: Pick<EtcdClient, 'getPrefix'>,
  sites: readonly string[],
): Promise<readonly SiteConfiguration[]> {
  return Promise.all(
    sites.map(async site => {
      const { items } = await etcd.getPrefix(configurationPrefix(site))
      const files = SHARED_FILES.flatMap((name): readonly (readonly [SharedFileName, SharedText])[] => {
        const found = items.find(item => item.key === configurationKey(site, name))
        return found === undefined ? [] : [[name, { text: found.value.toString(), revision: found.revision }]]
      })
      return { site, files: new Map(files) }
    }),
  )
}
