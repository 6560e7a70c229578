/** That an identity has registered over a client's flow, with what the edge must know of it. */
export interface FlowIdentity {
  /** Names the flow in Path and Record-Route. */
  readonly token: string
  readonly address: string
  readonly port: number
  /** The listening point of the flow. */
  readonly point: string
  readonly impu: string
  /** What goes into P-Asserted-Identity: a name-addr. */
  readonly asserted: string
  /** Where the identity's requests go, name-addrs, topmost first. */
  readonly serviceRoute: readonly string[]
  /** Unix time in milliseconds. */
  readonly expiresAt: number
  /** Taken when a request does not say who sends it. */
  readonly isDefault: boolean
}

/**
 * What the edge knows about flows that can outlive it: those of UDP clients, which are an address and no connection.
 *
 * A resolved `put` survives the death of the process.
 */
export interface FlowStore {
  /** Every flow that is known now. */
  tokens(): Iterable<string>
  /** All identities of a flow that have not expired. */
  load(token: string): readonly FlowIdentity[]
  put(identities: readonly FlowIdentity[]): Promise<void>
  remove(token: string, impus: readonly string[]): Promise<void>
}
