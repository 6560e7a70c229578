import type { TransportName } from './transport/flow.ts'
import type { SipUri } from './uri.ts'

/** One address to try (RFC 3263 §4). */
export interface Target {
  readonly transport: TransportName
  readonly address: string
  readonly port: number
}

/** Finds where a SIP URI leads, best first; an empty list if nowhere. Never rejects. */
export interface Resolver {
  resolve(uri: SipUri): Promise<readonly Target[]>
}
