import { dnsServers } from '../../lib/dns/cached-dns.ts'
import { dnsEnum } from '../../lib/ims/enum/dns-enum.ts'
import { defaultEnum, type EnumService } from '../../lib/ims/enum/enum.ts'
import { fileEnum } from '../../lib/ims/enum/file-enum.ts'
import type { SproutOptions } from './options.ts'

/** What answers for numbers, as the options say; the entries of a file are those that it has at the time. */
export function enumOf(options: SproutOptions): EnumService | undefined {
  const { enum: source } = options
  switch (source.from) {
    case 'dns':
      return dnsEnum(dnsServers({ servers: source.servers }), source.suffix)
    case 'file':
      return fileEnum(() => options.numberBlocks)
    case 'home-domain':
      return defaultEnum(options.homeDomains[0])
    case 'nowhere':
      return undefined
  }
}
