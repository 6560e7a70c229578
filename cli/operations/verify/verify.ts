import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import { TimerWheel, type Clock } from '../../../lib/kit/clock.ts'
import type { Fleet } from '../../fleet/fleet.ts'
import { ProvisioningClient } from '../users/provisioning-client.ts'
import { placeCall, type CallParts } from './call.ts'
import { Checks } from './checks.ts'
import { askHealth } from './daemon-health.ts'
import { diagnoseCall, type CallPlace, type Diagnosis } from './diagnosis.ts'
import { poll, Telephones, TRANSPORTS } from './edge.ts'
import type { EdgePlace, EdgeTransport, Finding, Users } from './edge.ts'
import { placeOfDeployment, type ServicePlace } from './place.ts'
import type { Check, VerifyReport } from './report.ts'
import { TemporarySubscribers } from './temporary-subscribers.ts'
import { UserAgent, type Patience } from './user-agent.ts'

export interface VerifyOptions {
  /** How long each exchange may take. Default 8 s: a bono needs some to find that no sprout answers. */
  readonly answerMs?: number
  /** How long all checks together may take; those that have not begun by then are not made. Default 5 min. */
  readonly deadlineMs?: number
  /** Ends the run: nothing new is begun, and what was made is removed. */
  readonly signal?: AbortSignal
  /** Each check as it is done. */
  readonly onCheck?: (check: Check) => void
  readonly now?: () => number
}

const ANSWER_MS = 8_000
const DEADLINE_MS = 5 * 60_000
/** A clean-up that takes longer is left to the next run. */
const CLEAN_UP_MS = 3_000

/**
 * Whether a deployment gives service: two temporary subscribers register through each bono over UDP and TCP and call
 * each other there, then call through each sprout, entering at that very S-CSCF, which asks homestead and sends the
 * call out through a bono. Every daemon is asked how it is. What was made is removed, whatever happens.
 *
 * Nodes that fail or cannot be reached are told in the report, and the rest goes on; nothing of that is thrown.
 */
export function verifyService(
  deployment: Deployment,
  fleet: Pick<Fleet, 'shell'>,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  return verifyPlace(placeOfDeployment(deployment, fleet), options)
}

/** The same for any place where the service may be found. */
export async function verifyPlace(place: ServicePlace, options: VerifyOptions = {}): Promise<VerifyReport> {
  const bugs: unknown[] = []
  const clock = new TimerWheel(error => {
    bugs.push(error)
  })
  try {
    const report = await new Verification(place, clock, options).run()
    if (bugs.length > 0) throw bugs[0]
    return report
  } finally {
    clock.close()
  }
}

/** One run. */
class Verification {
  readonly #place: ServicePlace
  readonly #clock: Clock
  readonly #options: VerifyOptions
  readonly #patience: Patience
  readonly #cleanUp: Patience
  readonly #checks: Checks
  readonly #unreachable = new Set<string>()
  readonly #silentEdges = new Set<string>()
  #leftovers = 0
  #left: readonly string[] = []

  constructor(place: ServicePlace, clock: Clock, options: VerifyOptions) {
    const { answerMs = ANSWER_MS, deadlineMs = DEADLINE_MS, signal } = options
    const deadline = AbortSignal.timeout(deadlineMs)
    const over = signal === undefined ? deadline : AbortSignal.any([signal, deadline])
    this.#place = place
    this.#clock = clock
    this.#options = options
    this.#patience = { answerMs, signal: over }
    this.#cleanUp = { answerMs: Math.min(answerMs, CLEAN_UP_MS), signal: new AbortController().signal }
    this.#checks = new Checks(over, options.onCheck)
  }

  async run(): Promise<VerifyReport> {
    const begun = performance.now()
    await Promise.all([this.#logIn(), this.#pollEdges()])
    await this.#lookAtDaemons()
    await this.#serve()
    const checks = this.#checks.all
    const interrupted = this.#options.signal?.aborted === true
    return {
      given:
        !interrupted && this.#place.edges.length > 0 && checks.every(check => check.outcome === 'passed'),
      domain: this.#place.domain,
      checks,
      leftovers: this.#leftovers,
      left: this.#left,
      interrupted,
      ms: Math.round(performance.now() - begun),
    }
  }

  // Each node by itself

  async #logIn(): Promise<void> {
    await Promise.all(
      this.#place.logins.map(async ({ node, attempt }) => {
        const about = { node, what: 'login', own: this.#rolesOf(node) }
        const reached = await this.#checks.make(about, async () => {
          await attempt(this.#patience.signal)
          return { steps: [] }
        })
        if (!reached) this.#unreachable.add(node)
      }),
    )
  }

  async #pollEdges(): Promise<void> {
    const each = this.#place.edges.flatMap(edge => TRANSPORTS.map(transport => ({ edge, transport })))
    await Promise.all(
      each.map(async ({ edge, transport }) => {
        const { node, host, port, name } = edge
        const about = { node, what: `answer over ${transport}`, own: ['bono', node] }
        const answers = await this.#checks.make(about, () =>
          poll(node, { host, port, transport, uri: `sip:${name}` }, this.#surroundings),
        )
        if (!answers) this.#silentEdges.add(keyOf(edge, transport))
      }),
    )
  }

  async #lookAtDaemons(): Promise<void> {
    const { daemons, cores } = this.#place
    await Promise.all([
      ...daemons.map(door =>
        this.#behindLogin({ node: door.node, what: `health of ${door.daemon}`, own: [door.daemon] }, () =>
          askHealth(door, this.#patience.answerMs),
        ),
      ),
      ...cores.map(core =>
        this.#behindLogin(
          { node: core.node, what: 'answer of sprout', own: ['sprout', core.node] },
          async () => {
            await using way = await core.open()
            const at = { host: way.host, port: way.port, transport: 'TCP', uri: core.uri } as const
            return await poll(core.node, at, this.#surroundings)
          },
        ),
      ),
    ])
  }

  /** A check that goes through the node's own connection, if there is one. */
  async #behindLogin(
    about: { readonly node: string; readonly what: string; readonly own?: readonly string[] },
    work: () => Promise<Finding>,
  ): Promise<boolean> {
    if (!this.#unreachable.has(about.node)) return this.#checks.make(about, work)
    this.#checks.skip(about, { hop: `cw → ${about.node}`, why: 'the node cannot be logged in to' })
    return false
  }

  // Service

  async #serve(): Promise<void> {
    await using provisioned = new AsyncDisposableStack()
    const users = await this.#provision(provisioned)
    const working: { edge: EdgePlace; transport: EdgeTransport; called: boolean }[] = []
    for (const edge of this.#place.edges) {
      for (const transport of TRANSPORTS) {
        const outcome = await this.#verifyEdge(edge, transport, users)
        if (outcome.registered) working.push({ edge, transport, called: outcome.called })
      }
    }
    const exit = working.find(each => each.called) ?? working[0]
    await this.#verifyCores(exit, users)
  }

  /** Makes the subscribers at the first homestead that takes them; the stack removes them. */
  async #provision(stack: AsyncDisposableStack): Promise<Users | undefined> {
    let users: Users | undefined
    for (const door of this.#place.provisioning) {
      const about = { node: door.node, what: 'provisioning', own: ['homestead'] }
      await this.#behindLogin(about, async () => {
        const begun = performance.now()
        const { host, port } = stack.use(await door.open())
        const client = stack.use(await ProvisioningClient.open({ host, port }))
        const subscribers = new TemporarySubscribers(client, this.#place.domain, this.#options.now)
        stack.defer(async () => {
          this.#left = [...this.#left, ...(await subscribers.remove())]
        })
        this.#leftovers += await subscribers.removeLeftovers()
        users = { caller: await subscribers.create(), callee: await subscribers.create() }
        const ms = Math.round(performance.now() - begun)
        return { steps: [{ sent: 'two subscribers', answer: 'created', ms }] }
      })
      if (users !== undefined) break
    }
    return users
  }

  /** Registration, call and de-registration through one bono over one transport. */
  async #verifyEdge(
    edge: EdgePlace,
    transport: EdgeTransport,
    users: Users | undefined,
  ): Promise<{ readonly registered: boolean; readonly called: boolean }> {
    const about = (what: string) => ({ node: edge.node, what: `${what} over ${transport}` })
    const skipped = this.#silentEdges.has(keyOf(edge, transport)) ? silent(edge.node) : NO_SUBSCRIBERS
    if (users === undefined || skipped !== NO_SUBSCRIBERS) {
      this.#checks.skip(about('registration'), skipped)
      this.#checks.skip(about('call'), skipped)
      return { registered: false, called: false }
    }
    await using opened = new AsyncDisposableStack()
    let phones: Telephones | undefined
    const registered = await this.#checks.make(about('registration'), async () => {
      phones = opened.use(await Telephones.open(edge, transport, users, this.#clock))
      return phones.register(this.#patience)
    })
    if (phones === undefined || !registered) {
      this.#checks.skip(about('call'), {
        hop: `${edge.node} → sprout`,
        why: 'there is no registration to call',
      })
      await phones?.deregister(this.#cleanUp)
      return { registered, called: false }
    }
    const { caller, callee } = phones
    const way = { entry: { node: edge.node, role: 'bono' }, exit: edge.node } as const
    const called = await this.#checks.make(about('call'), () => this.#call(way, { caller, callee }))
    await this.#deregister(phones)
    return { registered, called }
  }

  /** A call that enters at each sprout, to a callee who has registered through one bono. */
  async #verifyCores(
    exit: { readonly edge: EdgePlace; readonly transport: EdgeTransport } | undefined,
    users: Users | undefined,
  ): Promise<void> {
    const { cores } = this.#place
    if (cores.length === 0) return
    await using opened = new AsyncDisposableStack()
    const phones =
      exit === undefined || users === undefined || this.#patience.signal.aborted
        ? undefined
        : opened.use(await Telephones.open(exit.edge, exit.transport, users, this.#clock))
    const ready =
      phones !== undefined &&
      (await this.#checks.make(
        { node: phones.edge.node, what: 'registration for calls through sprout' },
        () => phones.register(this.#patience),
      ))
    for (const core of cores) {
      const about = { node: core.node, what: 'call through sprout' }
      if (!ready) {
        this.#checks.skip(about, users === undefined ? NO_SUBSCRIBERS : NO_CALLEE)
        continue
      }
      await this.#behindLogin(about, async () => {
        await using way = await core.open()
        await using caller = await UserAgent.open({
          clock: this.#clock,
          identity: phones.caller.identity,
          transport: 'TCP',
          to: way,
        })
        const route = `<${core.uri};lr;orig>`
        const through = { entry: { node: core.node, role: 'sprout' }, exit: phones.edge.node } as const
        return await this.#call(through, { caller, callee: phones.callee, route })
      })
    }
    if (phones !== undefined) await this.#deregister(phones)
  }

  async #call(way: CallPlace, parts: CallParts): Promise<Finding> {
    const call = await placeCall(parts, this.#patience)
    const nodes = call.hosts.flatMap(host => this.#place.nodeAt(host) ?? [])
    const path = nodes.filter((node, index) => node !== nodes[index - 1])
    return { steps: call.steps, path, failure: diagnoseCall(way, call) }
  }

  async #deregister(phones: Telephones): Promise<void> {
    const about = {
      node: phones.edge.node,
      what: `de-registration over ${phones.transport}`,
      always: true,
    } as const
    await this.#checks.make(about, () => phones.deregister(this.#cleanUp))
  }

  get #surroundings() {
    return { clock: this.#clock, domain: this.#place.domain, patience: this.#patience }
  }

  #rolesOf(node: string): readonly string[] {
    const { daemons } = this.#place
    return [node, ...daemons.filter(each => each.node === node).map(each => each.daemon)]
  }
}

const NO_SUBSCRIBERS: Diagnosis = { hop: 'cw → homestead', why: 'there are no subscribers to do it with' }
const NO_CALLEE: Diagnosis = { hop: 'cw → bono', why: 'no bono has registered a callee' }

function silent(node: string): Diagnosis {
  return { hop: `cw → ${node}`, why: 'it does not answer' }
}

function keyOf(edge: EdgePlace, transport: EdgeTransport): string {
  return `${edge.node} ${transport}`
}
