import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../kit/clock.ts'
import { accountStoreContract } from '../contract/account-store.ts'
import { akaStoreContract } from '../contract/aka-store.ts'
import { challengeStoreContract } from '../contract/challenge-store.ts'
import { chargingSessionStoreContract } from '../contract/charging-session-store.ts'
import { documentStoreContract } from '../contract/document-store.ts'
import type { Open, Opened } from '../contract/opened.ts'
import { provisioningStoreContract } from '../contract/provisioning-store.ts'
import { registrationStoreContract } from '../contract/registration-store.ts'
import { subscriberCacheContract } from '../contract/subscriber-cache-store.ts'
import { MemoryChallengeStore } from '../memory-challenges.ts'
import { EmbeddedAccountStore } from './accounts.ts'
import { EmbeddedAkaStore } from './aka.ts'
import { EmbeddedChargingSessionStore } from './charging-sessions.ts'
import { EmbeddedDocumentStore } from './documents.ts'
import { openEmbedded, type EmbeddedEnvironment } from './environment.ts'
import { EmbeddedProvisioningStore } from './provisioning.ts'
import { EmbeddedRegistrationStore } from './registrations.ts'
import { EmbeddedSubscriberCacheStore } from './subscriber-cache.ts'

function embedded<T>(make: (environment: EmbeddedEnvironment, clock: Clock) => T): Open<T> {
  return clock => openIn(mkdtempSync(join(tmpdir(), 'cw-store-')), clock, make)
}

async function openIn<T>(
  dir: string,
  clock: Clock,
  make: (environment: EmbeddedEnvironment, clock: Clock) => T,
): Promise<Opened<T>> {
  const environment = await openEmbedded({ dir })
  return {
    store: make(environment, clock),
    reopen: async () => {
      await environment.close()
      return openIn(dir, clock, make)
    },
    close: async () => {
      await environment.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

registrationStoreContract(
  'embedded',
  embedded((environment, clock) => new EmbeddedRegistrationStore(environment, clock)),
)
accountStoreContract(
  'embedded',
  embedded(environment => new EmbeddedAccountStore(environment)),
)
chargingSessionStoreContract(
  'embedded',
  embedded((environment, clock) => new EmbeddedChargingSessionStore(environment, clock)),
)
provisioningStoreContract(
  'embedded',
  embedded(environment => new EmbeddedProvisioningStore(environment)),
)
subscriberCacheContract(
  'embedded',
  embedded(environment => new EmbeddedSubscriberCacheStore(environment)),
)
documentStoreContract(
  'embedded',
  embedded(environment => new EmbeddedDocumentStore(environment)),
)
akaStoreContract(
  'embedded',
  embedded(environment => new EmbeddedAkaStore(environment)),
)
challengeStoreContract('in memory', async clock => ({
  store: new MemoryChallengeStore({ clock }),
  close: async () => undefined,
}))
