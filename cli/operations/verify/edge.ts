import type { Clock } from '../../../lib/kit/clock.ts'
import { diagnosePoll, diagnoseRegistration, type Diagnosis } from './diagnosis.ts'
import type { ServicePlace } from './place.ts'
import { deregister, register, type Registration } from './registration.ts'
import type { Step } from './report.ts'
import { stepOf } from './step.ts'
import { newCallId, UserAgent, type Identity, type Patience } from './user-agent.ts'

export const TRANSPORTS = ['UDP', 'TCP'] as const
export type EdgeTransport = (typeof TRANSPORTS)[number]
export type EdgePlace = ServicePlace['edges'][number]

/** What a check found. Without a failure it has passed. */
export interface Finding {
  readonly steps: readonly Step[]
  readonly path?: readonly string[]
  readonly failure?: Diagnosis | undefined
}

/** The two temporary subscribers. */
export interface Users {
  readonly caller: Identity
  readonly callee: Identity
}

/** Asks a SIP element for itself, which takes neither a subscriber nor another node. */
export async function poll(
  node: string,
  at: {
    readonly host: string
    readonly port: number
    readonly transport: EdgeTransport
    readonly uri: string
  },
  { clock, domain, patience }: { clock: Clock; domain: string; patience: Patience },
): Promise<Finding> {
  const nobody = { impu: `sip:cw-verify@${domain}`, impi: `cw-verify@${domain}`, password: '', domain }
  await using agent = await UserAgent.open({ clock, identity: nobody, transport: at.transport, to: at })
  const request = agent.request('OPTIONS', at.uri, { callId: newCallId(), cseq: 1 })
  const answer = await agent.ask(request, patience)
  return { steps: [stepOf('OPTIONS', answer)], failure: diagnosePoll(node, answer) }
}

/** Both subscribers' telephones, registered through one bono over one transport. */
export class Telephones implements AsyncDisposable {
  readonly edge: EdgePlace
  readonly transport: EdgeTransport
  readonly caller: UserAgent
  readonly callee: UserAgent

  static async open(
    edge: EdgePlace,
    transport: EdgeTransport,
    users: Users,
    clock: Clock,
  ): Promise<Telephones> {
    const caller = await UserAgent.open({ clock, identity: users.caller, transport, to: edge })
    const callee = await UserAgent.open({ clock, identity: users.callee, transport, to: edge })
    return new Telephones(edge, transport, caller, callee)
  }

  private constructor(edge: EdgePlace, transport: EdgeTransport, caller: UserAgent, callee: UserAgent) {
    this.edge = edge
    this.transport = transport
    this.caller = caller
    this.callee = callee
  }

  register(patience: Patience): Promise<Finding> {
    return this.#both(agent => register(agent, patience))
  }

  deregister(patience: Patience): Promise<Finding> {
    return this.#both(agent => deregister(agent, patience))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.caller[Symbol.asyncDispose](), this.callee[Symbol.asyncDispose]()])
  }

  async #both(work: (agent: UserAgent) => Promise<Registration>): Promise<Finding> {
    const done = await Promise.all([work(this.caller), work(this.callee)])
    const failures = done.map(registration => diagnoseRegistration(this.edge.node, registration))
    return { steps: done.flatMap(({ steps }) => steps), failure: failures.find(each => each !== undefined) }
  }
}
