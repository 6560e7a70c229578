import { EmbeddedAkaStore } from './aka.ts'
import type { EmbeddedEnvironment } from './environment.ts'
import { EmbeddedProvisioningStore } from './provisioning.ts'
import { EmbeddedSubscriberCacheStore } from './subscriber-cache.ts'

export interface EmbeddedSubscribers {
  readonly cache: EmbeddedSubscriberCacheStore
  readonly provisioning: EmbeddedProvisioningStore
  readonly aka: EmbeddedAkaStore
}

/** All that a homestead keeps on this machine. */
export function embeddedSubscribers(environment: EmbeddedEnvironment): EmbeddedSubscribers {
  return {
    cache: new EmbeddedSubscriberCacheStore(environment),
    provisioning: new EmbeddedProvisioningStore(environment),
    aka: new EmbeddedAkaStore(environment),
  }
}
