import type { Impu } from './identity.ts'

/** The IMSSubscription document of TS 29.228 Annex E, as far as the core uses it. */
export interface ImsSubscription {
  readonly privateId: string
  readonly profiles: readonly ServiceProfile[]
}

export interface ServiceProfile {
  readonly identities: readonly PublicIdentity[]
  /** The `InitialFilterCriteria` elements as XML text, in document order; evaluated by the S-CSCF. */
  readonly filterCriteria: readonly string[]
  /** Sets of criteria kept on the nodes that count for this profile too (`SharedIFCSetID`). */
  readonly sharedSets?: readonly number[]
  /** Communication services that its users may have (`ServiceId`); absent: any. */
  readonly services?: readonly string[]
}

export interface PublicIdentity {
  readonly impu: Impu
  readonly barred: boolean
  /** The wildcard this identity stands for (`prefix!regex!suffix`), if it does. */
  readonly wildcard?: string
}
