import { hash } from 'node:crypto'
import type { Awaitable } from '../../lib/kit/awaitable.ts'
import { millis, seconds, type Clock, type Timer } from '../../lib/kit/clock.ts'
import { detached } from '../../lib/kit/text.ts'
import type { Impu } from '../../lib/ims/identity.ts'
import { randomText } from '../../lib/sip/branch.ts'
import { parseNameAddr } from '../../lib/sip/name-addr.ts'
import type { Flow } from '../../lib/sip/transport/flow.ts'
import type { FlowIdentity, FlowStore } from '../../lib/store/flow-store.ts'
import { Calls } from './calls.ts'

/** How long a UDP flow without an identity is remembered. */
const IDLE = seconds(600)
/** How long a client is remembered for an emergency call. */
const LONGEST_CALL = seconds(2 * 3600)
const TOKEN_LENGTH = 10
const MOST_ROUTES = 100
const SEAL_LENGTH = 12

/** A client as the edge knows it: one flow and the identities that have registered over it. */
export class ClientFlow {
  readonly token: string
  readonly flow: Flow
  readonly identities = new Map<string, FlowIdentity>()
  idle: Timer | undefined
  /** Up to here it is remembered without an identity too (Unix ms). */
  keptUntil = 0
  /** Made for the first one. */
  #calls: Calls | undefined
  #defaultImpu: string | undefined

  constructor(token: string, flow: Flow) {
    this.token = token
    this.flow = flow
  }

  add(identity: FlowIdentity): void {
    this.identities.set(identity.impu, identity)
    if (identity.isDefault) this.#defaultImpu = identity.impu
  }

  /** The identity, if it is registered over this flow now. */
  identity(impu: Impu | undefined, now: number): FlowIdentity | undefined {
    if (impu === undefined) return undefined
    const identity = this.identities.get(impu)
    if (identity === undefined || identity.expiresAt > now) return identity
    this.identities.delete(impu)
    return undefined
  }

  get calls(): Calls {
    return (this.#calls ??= new Calls())
  }

  isInCall(now: number): boolean {
    return this.#calls?.areOpen(now) === true
  }

  /** Whether somebody is registered over it, or in a call. */
  isInUse(now: number): boolean {
    return this.isInCall(now) || this.defaultIdentity(now) !== undefined
  }

  /** Who a request is from that does not say so. */
  defaultIdentity(now: number): FlowIdentity | undefined {
    const usual = this.identity(this.#defaultImpu as Impu | undefined, now)
    if (usual !== undefined) return usual
    for (const impu of [...this.identities.keys()]) {
      const other = this.identity(impu as Impu, now)
      if (other !== undefined) return other
    }
    return undefined
  }
}

export interface FlowTableOptions {
  readonly clock: Clock
  readonly store: FlowStore
  /** Key of the tokens of UDP flows; the same after a restart, so that the same client gets the same token. */
  readonly secret: string
  /** The flow to a UDP client, from the point it registered at. */
  readonly udpFlow: (point: string, address: string, port: number) => Flow | undefined
}

/**
 * The clients of this edge by flow and by token (RFC 5626 §5.2).
 *
 * A flow over a connection gets a random token and ends with the connection. A UDP flow is only an address: its token
 * is derived from it, and what is stored about it is found again after a restart.
 */
export class FlowTable {
  readonly #options: FlowTableOptions
  readonly #byFlow = new Map<Flow, ClientFlow>()
  readonly #byToken = new Map<string, ClientFlow>()
  /** Flows of an earlier process that have not been seen again: only they are looked up in the store. */
  readonly #earlier: Set<string>
  readonly #streamTokens = new WeakMap<Flow, string>()
  /** Service-Routes are few and shared by all clients. */
  readonly #routes = new Map<string, readonly string[]>()

  constructor(options: FlowTableOptions) {
    this.#options = options
    this.#earlier = new Set(options.store.tokens())
  }

  /**
   * Marks a Route set as one that this edge has given out: a client cannot make up a way into the core, only repeat
   * the one its dialog has (TS 24.229 §5.2.6.3.2 has the edge keep the set; the mark spares keeping it).
   *
   * @param routes what follows the edge's own two Routes, as URIs or name-addrs
   */
  seal(token: string, routes: readonly string[]): string {
    let uris = ''
    for (const route of routes) uris += uriTextOf(route) + ' '
    const { secret } = this.#options
    return hash('sha256', `${secret} ${token} ${uris} ${secret}`, 'base64url').slice(0, SEAL_LENGTH)
  }

  /** One array for all identities that have the same Service-Route. */
  sharedRoute(route: readonly string[]): readonly string[] {
    const name = route.join(',')
    const known = this.#routes.get(name)
    if (known !== undefined) return known
    if (this.#routes.size >= MOST_ROUTES) this.#routes.clear()
    const own = route.map(detached)
    this.#routes.set(detached(name), own)
    return own
  }

  /** Whether any client is registered here or in a call, also one that was not heard of since the last start. */
  areInUse(now: number): boolean {
    for (const client of this.#byToken.values()) if (client.isInUse(now)) return true
    for (const token of this.#earlier) {
      if (this.#options.store.load(token).some(({ expiresAt }) => expiresAt > now)) return true
    }
    return false
  }

  get size(): number {
    return this.#byToken.size
  }

  /** The client behind a flow, if one has registered over it. */
  find(flow: Flow): ClientFlow | undefined {
    const known = this.#byFlow.get(flow)
    if (known !== undefined || flow.transport !== 'UDP' || this.#earlier.size === 0) return known
    return this.#restore(this.#udpToken(flow), flow)
  }

  /** The client behind a token of a Path or Record-Route. */
  findByToken(token: string): ClientFlow | undefined {
    const known = this.#byToken.get(token)
    if (known !== undefined) return known.flow.closed ? undefined : known
    return this.#restore(token, undefined)
  }

  /** The client behind a flow over which one registers now. A new one is remembered when the core has accepted it. */
  open(flow: Flow): ClientFlow {
    const known = this.find(flow)
    if (known !== undefined) return known
    const token = flow.transport === 'UDP' ? this.#udpToken(flow) : this.#streamToken(flow)
    return new ClientFlow(token, flow)
  }

  /** Notes identities that have registered over the flow; those of UDP outlive a restart once this resolves. */
  authorise(client: ClientFlow, identities: readonly FlowIdentity[]): Awaitable<void> {
    if (client.flow.closed) return
    const known = this.#byFlow.get(client.flow) ?? this.#remember(client)
    for (const identity of identities) known.add(identity)
    if (client.flow.transport === 'UDP') return this.#options.store.put(identities)
  }

  /** Remembers a client that nobody knows and that has an emergency call: the call's requests go both ways over its flow. */
  keepForCall(client: ClientFlow): void {
    if (client.flow.closed) return
    const known = this.#byFlow.get(client.flow) ?? this.#remember(client)
    known.keptUntil = this.#options.clock.now() + LONGEST_CALL
  }

  /** Notes that identities are no longer registered over the flow. */
  revoke(client: ClientFlow, impus: readonly string[]): Awaitable<void> {
    const known = this.#byFlow.get(client.flow)
    for (const impu of impus) known?.identities.delete(impu)
    if (client.flow.transport === 'UDP') return this.#options.store.remove(client.token, impus)
  }

  #restore(token: string, flow: Flow | undefined): ClientFlow | undefined {
    if (!this.#earlier.delete(token)) return undefined
    const stored = this.#options.store.load(token)
    const [first] = stored
    if (first === undefined) return undefined
    const target = flow ?? this.#options.udpFlow(first.point, first.address, first.port)
    if (target === undefined) return undefined
    const client = this.#remember(new ClientFlow(token, target))
    for (const identity of stored) client.add(identity)
    this.#watch(client)
    return client
  }

  #remember(client: ClientFlow): ClientFlow {
    this.#byFlow.set(client.flow, client)
    this.#byToken.set(client.token, client)
    client.flow.onClose(() => this.#forget(client))
    this.#watch(client)
    return client
  }

  #forget(client: ClientFlow): void {
    client.idle?.cancel()
    this.#byFlow.delete(client.flow)
    if (this.#byToken.get(client.token) === client) this.#byToken.delete(client.token)
  }

  /** A connection ends by itself; a UDP flow is forgotten some time after its last identity. */
  #watch(client: ClientFlow): void {
    if (client.flow.transport !== 'UDP' || client.idle !== undefined) return
    client.idle = this.#options.clock.after(IDLE, () => {
      client.idle = undefined
      const now = this.#options.clock.now()
      if (client.defaultIdentity(now) === undefined && client.keptUntil <= now) {
        this.#forget(client)
        client.flow.close()
      } else this.#watch(client)
    })
  }

  /** The same for all that register over one connection, also before the first has been accepted. */
  #streamToken(flow: Flow): string {
    const token = this.#streamTokens.get(flow) ?? randomText(TOKEN_LENGTH)
    this.#streamTokens.set(flow, token)
    return token
  }

  #udpToken(flow: Flow): string {
    const name = `${flow.local.name ?? ''} ${flow.remoteAddress} ${flow.remotePort}`
    const { secret } = this.#options
    return hash('sha256', `${secret} ${name} ${secret}`, 'base64url').slice(0, TOKEN_LENGTH)
  }
}

/** What a Route and the Record-Route it was made of have in common, however a client writes it. */
function uriTextOf(route: string): string {
  const end = route.charCodeAt(0) === 0x3c ? route.indexOf('>') : -1
  return end > 0 ? route.slice(1, end) : (parseNameAddr(route)?.uri ?? route)
}

/** When an identity ends at the edge: a little later than at the registrar, so that the edge never cuts it short. */
export function edgeExpiry(now: number, registeredSeconds: number): number {
  return now + millis((registeredSeconds + 30) * 1000)
}
