import { setTimeout as sleep } from 'node:timers/promises'
import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import { TimerWheel } from '../../../lib/kit/clock.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { Fleet, type FleetOptions } from '../../fleet/fleet.ts'
import { ProvisioningClient } from '../users/provisioning-client.ts'
import { placeCall, type Call } from '../verify/call.ts'
import { diagnoseCall, diagnoseRegistration, type Diagnosis } from '../verify/diagnosis.ts'
import { Telephones, type EdgePlace, type Users } from '../verify/edge.ts'
import { placeOfDeployment, type ServicePlace } from '../verify/place.ts'
import { register } from '../verify/registration.ts'
import { TemporarySubscribers } from '../verify/temporary-subscribers.ts'
import type { Patience } from '../verify/user-agent.ts'
import { LoadCounter, type LoadFigures } from './figures.ts'

export interface LoadOptions {
  /** How long an exchange may take, in milliseconds. Default 8 s. */
  readonly answerMs?: number
  /** Called when all is over. */
  readonly onClose?: () => Promise<void>
}

/** A pair of telephones: one calls the other again and again, and they talk for so long, in milliseconds. */
interface Line {
  readonly users: Users
  readonly talkMs: number
}

const ANSWER_MS = 8_000
const CALL_EVERY_MS = 500
const REGISTER_EVERY_MS = 5_000
/** Long enough for a node to be restarted in the middle of it. */
const LONG_TALK_MS = 20_000
/** Short and long calls, of each bono. */
const LINES = [0, 0, LONG_TALK_MS, LONG_TALK_MS]
/** Who takes leave of a silent bono does not wait long. */
const FAREWELL_MS = 3_000

/**
 * Telephones of temporary subscribers, which register and call each other through a deployment while something is done
 * to it: what users would have noticed. Each pair is at one bono, and goes on to the next when that one is silent.
 */
export class BackgroundLoad implements AsyncDisposable {
  readonly #place: ServicePlace
  readonly #onClose: () => Promise<void>
  readonly #clock = new TimerWheel(() => undefined)
  readonly #stop = new AbortController()
  readonly #counter = new LoadCounter()
  readonly #patience: Patience
  #lines: readonly Promise<void>[] = []
  #remove: (() => Promise<readonly string[]>) | undefined
  #left: readonly string[] = []

  private constructor(place: ServicePlace, { answerMs = ANSWER_MS, onClose }: LoadOptions) {
    this.#place = place
    this.#onClose = onClose ?? (() => Promise.resolve())
    this.#patience = { answerMs, signal: new AbortController().signal }
  }

  /**
   * Makes the subscribers, and begins.
   *
   * @throws CwError PROOF_IMPOSSIBLE if no homestead takes subscribers, or there is no bono
   */
  static async start(place: ServicePlace, options: LoadOptions = {}): Promise<BackgroundLoad> {
    const load = new BackgroundLoad(place, options)
    try {
      await load.#begin()
      return load
    } catch (error) {
      await load.stop()
      throw error
    }
  }

  /** What it has seen so far. */
  get figures(): LoadFigures {
    return this.#counter.figures
  }

  /** Public ids of subscribers that could not be removed; the next run does. */
  get left(): readonly string[] {
    return this.#left
  }

  /** Hangs up, removes what it has made, and says what it has seen. */
  async stop(): Promise<LoadFigures> {
    this.#stop.abort()
    await Promise.allSettled(this.#lines)
    const { figures } = this.#counter
    const remove = this.#remove
    this.#remove = undefined
    if (remove !== undefined) this.#left = await remove()
    this.#clock.close()
    await this.#onClose()
    return figures
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#stop.signal.aborted) await this.stop()
  }

  async #begin(): Promise<void> {
    const { edges } = this.#place
    if (edges.length === 0) throw impossible('there is no bono')
    const lines = await this.#provision(edges.flatMap(() => LINES))
    this.#lines = lines.map((line, index) =>
      // What is wrong with the load itself must not end what it goes along with.
      this.#run(line, Math.floor(index / LINES.length)).catch((error: unknown) => {
        this.#counter.called(`the load itself has failed: ${String(error)}`)
      }),
    )
  }

  /** The first homestead that answers takes them. What one has made is removed by whoever answers then. */
  async #provision(talks: readonly number[]): Promise<readonly Line[]> {
    const failures: string[] = []
    for (const door of this.#place.provisioning) {
      try {
        await using way = await door.open()
        await using client = await ProvisioningClient.open(way)
        const subscribers = new TemporarySubscribers(client, this.#place.domain)
        this.#remove = () => this.#removeFrom(subscribers)
        const lines: Line[] = []
        for (const talkMs of talks) {
          const users = { caller: await subscribers.create(), callee: await subscribers.create() }
          lines.push({ users, talkMs })
        }
        return lines
      } catch (error) {
        if (!(error instanceof CwError)) throw error
        failures.push(`${door.node}: ${error.message}`)
      }
    }
    throw impossible(failures.length === 0 ? 'there is no homestead' : failures.join('\n'))
  }

  /** The homestead that made them may have been restarted since. */
  async #removeFrom(subscribers: TemporarySubscribers): Promise<readonly string[]> {
    let left: readonly string[] = []
    for (const door of this.#place.provisioning) {
      try {
        await using way = await door.open()
        await using client = await ProvisioningClient.open(way)
        subscribers.use(client)
        left = await subscribers.remove()
        if (left.length === 0) break
      } catch (error) {
        if (!(error instanceof CwError)) throw error
      }
    }
    return left
  }

  async #run(line: Line, at: number): Promise<void> {
    const { edges } = this.#place
    let isSecondTry = false
    for (let turn = at; !this.#isOver; turn++) {
      const edge = edges[turn % edges.length]
      if (edge === undefined) return
      const failure = await this.#runAt(edge, line, () => {
        isSecondTry = false
      })
      // What one bono does not take a telephone tries at the next one, before its user hears of it.
      const isForgiven: boolean = failure !== undefined && edges.length > 1 && !isSecondTry
      isSecondTry = isForgiven
      if (isForgiven) continue
      if (failure !== undefined) this.#count(failure)
      await this.#pause(CALL_EVERY_MS)
    }
  }

  /** Until something goes wrong there, or it is over. @param onCall told of each call that was put through */
  async #runAt(edge: EdgePlace, { users, talkMs }: Line, onCall: () => void): Promise<Failure | undefined> {
    let phones: Telephones | undefined
    try {
      phones = await Telephones.open(edge, 'UDP', users, this.#clock)
      let registeredAt = -Infinity
      while (!this.#isOver) {
        if (performance.now() - registeredAt >= REGISTER_EVERY_MS) {
          const failure = await this.#register(phones)
          if (failure !== undefined) return failure
          registeredAt = performance.now()
        }
        const call = await this.#call(phones, talkMs)
        if (call !== 'done') return call
        onCall()
        await this.#pause(CALL_EVERY_MS)
      }
      return undefined
    } catch (error) {
      if (!(error instanceof CwError)) throw error
      return { what: 'registration', status: undefined, why: error.message }
    } finally {
      const patience = { ...this.#patience, answerMs: FAREWELL_MS }
      if (this.#isOver) await phones?.deregister(patience)
      await phones?.[Symbol.asyncDispose]()
    }
  }

  async #register({ edge: { node }, caller, callee }: Telephones): Promise<Failure | undefined> {
    const answers = await Promise.all([caller, callee].map(each => register(each, this.#patience)))
    const refused = answers.find(({ accepted }) => !accepted)
    for (const each of answers) if (each.accepted) this.#counter.registered(200, '')
    if (refused === undefined) return undefined
    return {
      what: 'registration',
      status: refused.last.final?.status,
      why: inWords(diagnoseRegistration(node, refused)),
    }
  }

  async #call({ edge: { node }, caller, callee }: Telephones, talkMs: number): Promise<Failure | 'done'> {
    const talk = (): Promise<void> => {
      this.#counter.called()
      return this.#pause(talkMs)
    }
    const call = await placeCall({ caller, callee, talk }, this.#patience)
    const { stage } = call
    if (stage === 'done') {
      this.#counter.ended()
      return 'done'
    }
    const why = inWords(diagnoseCall({ entry: { node, role: 'bono' }, exit: node }, call))
    if (!STANDING.has(stage)) return { what: 'call', why }
    // Nobody can take up elsewhere a call that stood.
    this.#counter.ended(why)
    return 'done'
  }

  #count(failure: Failure): void {
    if (failure.what === 'call') this.#counter.called(failure.why)
    else this.#counter.registered(failure.status, failure.why)
  }

  get #isOver(): boolean {
    return this.#stop.signal.aborted
  }

  async #pause(milliseconds: number): Promise<void> {
    if (milliseconds > 0)
      await sleep(milliseconds, undefined, { signal: this.#stop.signal }).catch(() => undefined)
  }
}

/** How far a call comes that has stood and was not ended as it should. */
const STANDING: ReadonlySet<Call['stage']> = new Set(['BYE', 'end'])

type Failure =
  | { readonly what: 'call'; readonly why: string }
  | { readonly what: 'registration'; readonly status: number | undefined; readonly why: string }

/** The same for a deployment, over SSH where nothing else leads there. */
export function startLoad(deployment: Deployment, options: FleetOptions): Promise<BackgroundLoad> {
  const fleet = new Fleet(deployment.nodes, options)
  return BackgroundLoad.start(placeOfDeployment(deployment, fleet), { onClose: () => fleet.close() })
}

function inWords(diagnosis: Diagnosis | undefined): string {
  if (diagnosis === undefined) return ''
  const { hop, answer, why } = diagnosis
  return `${hop}: ${answer === undefined ? '' : `${answer}, `}${why}`
}

function impossible(why: string): CwError {
  return new CwError('PROOF_IMPOSSIBLE', 'nobody can register or call through this deployment now', {
    why,
    changed: 'nothing',
    remedies: ['see what is wrong: cw verify'],
  })
}
