import { callAndHangUp, callBetween, type Call } from '../support/calls.ts'
import { Phone } from '../support/phone.ts'
import { statusOf } from '../support/sip-text.ts'
import { PASSWORD } from '../support/subscribers.ts'
import { openUdp } from '../support/wire.ts'
import { DOMAIN } from './deployment.ts'

/** Two telephones that register and call each other over and over, and a call between two more that stands. */
export interface LineOptions {
  readonly name: string
  /** Address of the bono that they use. */
  readonly bono: string
  /** Their own address. */
  readonly from: string
  /** Four subscribers. */
  readonly users: readonly [string, string, string, string]
}

/** What did not work, and when. */
export interface Failure {
  readonly line: string
  readonly what: 'registration' | 'call' | 'request in a standing call'
  /** Unix time in milliseconds at which it was begun. */
  readonly at: number
  readonly why: string
}

export interface Summary {
  readonly registrations: number
  readonly calls: number
  /** Requests in calls that stand since the start, that were answered. */
  readonly requests: number
  readonly failures: readonly Failure[]
}

const PAUSE_MS = 300

/** Registrations and calls that go on while something happens to a deployment. */
export class SteadyLoad {
  readonly #lines: readonly Line[]
  readonly #working: Promise<unknown>
  readonly #stop = new AbortController()

  private constructor(lines: readonly Line[]) {
    this.#lines = lines
    this.#working = Promise.all(lines.map(line => line.work(this.#stop.signal)))
  }

  /** @throws Error if a line does not work before anything has happened */
  static async start(lines: readonly LineOptions[]): Promise<SteadyLoad> {
    return new SteadyLoad(await Promise.all(lines.map(each => Line.open(each))))
  }

  /** Ends it once what is under way is done, and tells how it went. */
  async stop(): Promise<Summary> {
    this.#stop.abort()
    await this.#working
    for (const line of this.#lines) await line.close()
    const sum = (of: (line: Line) => number): number => this.#lines.reduce((all, line) => all + of(line), 0)
    return {
      registrations: sum(line => line.registrations),
      calls: sum(line => line.calls),
      requests: sum(line => line.requests),
      failures: this.#lines.flatMap(line => line.failures),
    }
  }
}

class Line {
  registrations = 0
  calls = 0
  requests = 0
  readonly failures: Failure[] = []
  readonly #name: string
  readonly #phones: readonly [Phone, Phone, Phone, Phone]
  readonly #standing: Call

  private constructor(name: string, phones: readonly [Phone, Phone, Phone, Phone], standing: Call) {
    this.#name = name
    this.#phones = phones
    this.#standing = standing
  }

  static async open({ name, bono, from, users }: LineOptions): Promise<Line> {
    const made = async (user: string): Promise<Phone> => {
      const identity = { user, domain: DOMAIN, password: PASSWORD }
      const phone = new Phone(identity, await openUdp(5060, 0, from, bono))
      const answer = await phone.register()
      if (statusOf(answer) !== 200)
        throw new Error(`${user} could not register at ${bono}: ${answer.startLine}`)
      return phone
    }
    const [caller, callee, one, other] = users
    const phones = [await made(caller), await made(callee), await made(one), await made(other)] as const
    return new Line(name, phones, await callBetween(phones[2], phones[3]))
  }

  async work(signal: AbortSignal): Promise<void> {
    const [caller, callee, one, other] = this.#phones
    // One after the other, as each waits until the one before it has succeeded or failed.
    while (!signal.aborted) {
      await this.#try('registration', async () => {
        const answer = await caller.register()
        if (statusOf(answer) !== 200) throw new Error(answer.startLine)
        this.registrations++
      })
      await this.#try('call', async () => {
        await callAndHangUp(caller, callee, { exactly: true })
        this.calls++
      })
      await this.#try('request in a standing call', async () => {
        const sent = one.inDialog('INFO', this.#standing.dialog)
        other.reply(await other.request('INFO', sent), 200)
        const answer = await one.response(sent)
        if (statusOf(answer) !== 200) throw new Error(answer.startLine)
        this.requests++
      })
      await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
    }
  }

  async close(): Promise<void> {
    for (const phone of this.#phones) {
      // The next ones with these names are to be called alone.
      await phone.register({ expires: 0 }).catch(() => undefined)
      await phone[Symbol.asyncDispose]()
    }
  }

  async #try(what: Failure['what'], act: () => Promise<void>): Promise<void> {
    const at = Date.now()
    try {
      await act()
    } catch (error) {
      this.failures.push({ line: this.#name, what, at, why: String(error) })
    }
  }
}
