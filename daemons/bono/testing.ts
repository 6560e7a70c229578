import { sipRequest, TestExchange, TestFlow, TestSender, type SentRequest } from '../../lib/ims/testing.ts'
import type { Flow } from '../../lib/sip/transport/flow.ts'
import { H } from '../../lib/sip/header-names.ts'
import type { FlowIdentity, FlowStore } from '../../lib/store/flow-store.ts'
import { Edge } from './edge.ts'
import { FlowTable } from './flows.ts'
import type { BonoOptions } from './options.ts'

/** What the edge keeps of UDP flows, in memory; a second table over it is an edge that was started anew. */
export class MemoryFlowStore implements FlowStore {
  readonly rows = new Map<string, FlowIdentity>()

  tokens(): Iterable<string> {
    return [...this.rows.values()].map(({ token }) => token)
  }

  load(token: string): readonly FlowIdentity[] {
    return [...this.rows.values()].filter(row => row.token === token)
  }

  async put(identities: readonly FlowIdentity[]): Promise<void> {
    for (const identity of identities) this.rows.set(`${identity.token} ${identity.impu}`, identity)
  }

  async remove(token: string, impus: readonly string[]): Promise<void> {
    for (const impu of impus) this.rows.delete(`${token} ${impu}`)
  }
}

export const OPTIONS: BonoOptions = {
  homeDomains: ['example.com'],
  bindAddress: '192.0.2.9',
  innerAddress: '127.0.0.1',
  localHost: '127.0.0.1',
  publicHost: '192.0.2.9',
  ports: { untrusted: 5060, websocket: 5062, trusted: 5058 },
  upstream: { host: 'icscf.sprout.example.com', port: 5052 },
  sessionExpires: 600,
  allowEmergencyRegistration: false,
  allowAnonymousEmergencyCalls: false,
  trustedPeers: ['203.0.113.1'],
  pbxes: ['203.0.113.7'],
}

/** Route of requests that have no better one. */
export const UPSTREAM = '<sip:icscf.sprout.example.com:5052;transport=TCP;lr;orig>'
export const SERVICE_ROUTE = '<sip:scscf.sprout.example.com;transport=TCP;lr;orig>'

export interface TestEdge {
  readonly edge: Edge
  readonly sender: TestSender
  readonly flows: FlowTable
  /** A request from a client, a trunk or a stranger. */
  readonly outside: (
    flow: Flow,
    method: string,
    uri: string,
    lines?: readonly string[],
  ) => Promise<TestExchange>
  readonly core: (
    method: string,
    uri: string,
    lines?: readonly string[],
    body?: string,
  ) => Promise<TestExchange>
  /** Registers a client with these identities, for ten minutes; gives the token of its flow. */
  readonly register: (flow: Flow, associated: readonly string[]) => Promise<string>
}

export function openEdge(options: Partial<BonoOptions> = {}, store = new MemoryFlowStore()): TestEdge {
  const sender = new TestSender()
  const udpFlow = (_point: string, address: string, port: number): Flow => new TestFlow('UDP', address, port)
  const flows = new FlowTable({ clock: sender.clock, store, secret: 'kept', udpFlow })
  const edge = new Edge({ ...OPTIONS, ...options }, sender, flows)
  const outside: TestEdge['outside'] = async (flow, method, uri, lines) => {
    const exchange = new TestExchange(sipRequest(method, uri, lines), flow)
    await edge.fromOutside(exchange)
    return exchange
  }
  return {
    edge,
    sender,
    flows,
    outside,
    core: async (method, uri, lines, body) => {
      const exchange = new TestExchange(sipRequest(method, uri, lines, body))
      await edge.fromCore(exchange)
      return exchange
    },
    register: async (flow, associated) => {
      const { farSide } = sender
      sender.farSide = sent => answerAsRegistrar(sent, associated)
      await outside(flow, 'REGISTER', 'sip:example.com', [
        'To: <sip:alice@example.com>',
        'Contact: <sip:alice@10.0.0.1>',
      ])
      sender.farSide = farSide
      sender.sent.length = 0
      return flows.find(flow)?.token ?? ''
    },
  }
}

/** What the S-CSCF answers to a registration that it accepts. */
export function answerAsRegistrar(sent: SentRequest, associated: readonly string[], expires = 600): void {
  sent.answer(200, headers => {
    headers.append(H.Path, sent.request.headers.top(H.Path) ?? '')
    headers.append(H['Service-Route'], SERVICE_ROUTE)
    if (expires > 0) headers.append(H.Contact, `<sip:alice@10.0.0.1>;expires=${expires}`)
    if (associated.length > 0) headers.append(H['P-Associated-URI'], associated.join(', '))
  })
}
