import type { TransportName } from './transport/flow.ts'
import type { SipUri } from './uri.ts'

/** One address to try (RFC 3263 §4). */
export interface Target {
  readonly transport: TransportName
  readonly address: string
  readonly port: number
  /** Of its SRV record, where others are to be taken before it; absent: 0. */
  readonly priority?: number
}

/** Finds where SIP URIs lead. */
export interface Resolver {
  /**
   * Best first; an empty list if nowhere. Never rejects.
   *
   * @param isAvoided targets that are only worth a try when no others are left
   */
  resolve(uri: SipUri, isAvoided?: (target: Target) => boolean): Promise<readonly Target[]>
}
