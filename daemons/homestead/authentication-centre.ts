import { randomBytes } from 'node:crypto'
import { akaVector, nextSqn, RAND_OCTETS, resyncedSqn } from '../../lib/ims/aka/vector.ts'
import type { Answer, AuthVector } from '../../lib/ims/homestead.ts'
import type { Impi } from '../../lib/ims/identity.ts'
import type { AkaStore } from '../../lib/store/aka-store.ts'

/** Makes vectors of the keys that were provisioned, as an HSS's authentication centre does (TS 33.102 §6.3.2). */
export class AuthenticationCentre {
  readonly #store: AkaStore
  readonly #random: (octets: number) => Buffer

  constructor(store: AkaStore, random: (octets: number) => Buffer = randomBytes) {
    this.#store = store
    this.#random = random
  }

  /**
   * @param resync what the phone has answered when it was out of step: base64 of RAND and AUTS
   * @returns 404 without a key, 403 if the resynchronisation is not the phone's
   */
  async vector(impi: Impi, version: 1 | 2, resync?: string): Promise<Answer<AuthVector>> {
    const taken = await this.#store.advance(impi, (sqn, key) => {
      const reached = resync === undefined ? sqn : resyncedSqn(key, resync)
      return reached === undefined ? undefined : nextSqn(reached)
    })
    if (taken === undefined) return { ok: false, status: resync === undefined ? 404 : 403 }
    return { ok: true, value: akaVector(taken.key, taken.sqn, this.#random(RAND_OCTETS), version) }
  }
}
