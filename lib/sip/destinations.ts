import { isIP } from 'node:net'
import type { PeerHealth } from './peer-health.ts'
import type { Resolver, Target } from './resolver.ts'
import type { Flow } from './transport/flow.ts'
import { uriParam, type SipUri } from './uri.ts'

export interface DestinationsOptions {
  readonly resolver: Resolver
  readonly peers: PeerHealth
  /** Hosts, in lower case, behind which a stateless proxy is. */
  readonly statelessProxies: ReadonlySet<string> | undefined
}

/** Where URIs lead at present: by DNS, with those last that do not answer. */
export class Destinations {
  readonly #options: DestinationsOptions

  constructor(options: DestinationsOptions) {
    this.#options = options
  }

  /** Best first. @param tried a connection to one of them, over which it was tried in vain */
  async of(uri: SipUri, tried?: Flow): Promise<readonly Target[]> {
    const targets = await this.#all(uri)
    if (tried === undefined) return targets
    return targets.filter(({ address, port }) => address !== tried.remoteAddress || port !== tried.remotePort)
  }

  /** That nothing comes back from there says nothing about the one who got it. */
  mayBeSilent(uri: SipUri): boolean {
    return this.#options.statelessProxies?.has(uri.host.toLowerCase()) ?? false
  }

  #all(uri: SipUri): Promise<readonly Target[]> | readonly Target[] {
    const { peers, resolver } = this.#options
    const host = uri.host.startsWith('[') ? uri.host.slice(1, -1) : uri.host
    if (isIP(host) === 0) {
      return resolver.resolve(uri, peers.troubled === 0 ? undefined : target => peers.isAvoided(target))
    }
    const transport = uriParam(uri, 'transport')?.toUpperCase() === 'TCP' ? 'TCP' : 'UDP'
    return [{ transport, address: host, port: uri.port ?? 5060 }]
  }
}
