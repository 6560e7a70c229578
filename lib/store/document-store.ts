import type { Impu } from '../ims/identity.ts'

/**
 * Service documents (simservs), one for each public identity.
 *
 * Consistency: the last `put` wins; a resolved promise means that the change survives the death of the process.
 */
export interface DocumentStore {
  get(impu: Impu): Promise<string | undefined>
  put(impu: Impu, document: string): Promise<void>
  remove(impu: Impu): Promise<void>
}
