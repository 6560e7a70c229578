/** What the verification of a service found, as data. */
export interface VerifyReport {
  /** Every check passed. */
  readonly given: boolean
  readonly domain: string
  /** In the order in which they were begun. */
  readonly checks: readonly Check[]
  /** Temporary subscribers of earlier runs that were found and removed. */
  readonly leftovers: number
  /** Temporary subscribers of this run that could not be removed; the next run tries again. */
  readonly left: readonly string[]
  /** The caller's signal ended it early. */
  readonly interrupted: boolean
  readonly ms: number
}

/** One thing that a node was asked to do. */
export interface Check {
  readonly node: string
  /** `health of homer`, `registration over UDP`, `call`. */
  readonly what: string
  readonly outcome: 'passed' | 'failed' | 'not tried'
  /** The exchanges in their order. */
  readonly steps: readonly Step[]
  /** Nodes that the INVITE came through, as its Vias say. */
  readonly path?: readonly string[]
  /** For `failed` and `not tried`. */
  readonly failure?: Failure
}

/** One exchange: what was sent, and what came of it. */
export interface Step {
  readonly sent: string
  /** `401 Unauthorized`; absent: nothing came back. */
  readonly answer?: string
  readonly ms: number
}

/** Where it went wrong. */
export interface Failure {
  /** The last hop that cannot have worked: `bono-1 → sprout`. */
  readonly hop: string
  /** Who gave the answer that ended it; absent: nobody answered. */
  readonly answeredBy?: string
  readonly answer?: string
  /** One sentence. */
  readonly why: string
  /** Nodes at the far end of the hop that failed checks of their own. */
  readonly suspects: readonly string[]
}
