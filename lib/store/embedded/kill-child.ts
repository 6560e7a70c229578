// Writes registrations without end and prints each once it is acknowledged; killed by environment.test.ts.
import { TestClock } from '../../kit/clock.ts'
import type { RegistrationRecord } from '../registration-store.ts'
import { openEmbedded } from './environment.ts'
import { EmbeddedRegistrationStore } from './registrations.ts'

const environment = await openEmbedded({ dir: process.argv[2] ?? '' })
const store = new EmbeddedRegistrationStore(environment, new TestClock(0))

async function keepWriting(impu: string): Promise<void> {
  for (let notifyCseq = 1; ; notifyCseq++) {
    const record: RegistrationRecord = {
      bindings: [],
      subscriptions: {},
      associatedUris: [impu],
      notifyCseq,
      scscfUri: 'sip:scscf.example.com:5054;transport=TCP',
    }
    const read = store.get(impu)
    if ((await store.put(impu, record, read?.version)) === 'stored')
      process.stdout.write(`${impu} ${notifyCseq}\n`)
  }
}

await Promise.all(Array.from({ length: 20 }, (_, i) => keepWriting(`sip:${i}@example.com`)))
