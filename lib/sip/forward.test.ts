import { describe, expect, test } from 'vitest'
import type { HopLimits, NextHop, NoAnswer, ResponseListener, Sender, ServerExchange } from './exchange.ts'
import { andThen } from '../kit/awaitable.ts'
import { forward, forwardAck, type Fork, type ForwardOptions, type Outcome } from './forward.ts'
import { H } from './header-names.ts'
import { responseTo, type SipRequest, type SipResponse } from './message.ts'
import { request, settled } from './testing.ts'
import { sipUri } from './uri.ts'

/** What was sent to one next hop, and what it says to that. */
class Attempt {
  readonly request: SipRequest
  readonly limits: HopLimits | undefined
  readonly cancels: (readonly string[])[] = []
  readonly #listener: ResponseListener

  constructor(sent: SipRequest, limits: HopLimits | undefined, listener: ResponseListener) {
    this.request = sent
    this.limits = limits
    this.#listener = listener
  }

  answers(status: number, ...headers: [name: string, value: string][]): void {
    const edit = {
      edit: (edit: { add(name: string, value: string): unknown }) => headers.forEach(one => edit.add(...one)),
    }
    this.#listener.response(responseTo(this.request, status, { toTag: `tag-${status}`, ...edit }))
  }

  /** A response of the dialog with this tag. */
  answersIn(toTag: string, status: number): void {
    this.#listener.response(responseTo(this.request, status, { toTag }))
  }

  saysNothing(why: NoAnswer): void {
    this.#listener.noAnswer(why)
  }
}

class FakeSender implements Sender {
  readonly attempts: Attempt[] = []
  readonly acks: { readonly ack: SipRequest; readonly limits: HopLimits }[] = []

  send(sent: SipRequest, _: NextHop, __: string, limits: HopLimits | undefined, listener: ResponseListener) {
    const attempt = new Attempt(sent, limits, listener)
    this.attempts.push(attempt)
    listener.begun({ cancel: (reasons: readonly string[]) => void attempt.cancels.push(reasons) })
  }

  sendAck(ack: SipRequest, _: NextHop, __: string, limits: HopLimits): void {
    this.acks.push({ ack, limits })
  }

  /** The attempt at the fork of this number. */
  at(index: number): Attempt {
    const attempt = this.attempts[index]
    if (attempt === undefined) throw new Error(`nothing was sent to fork ${index}`)
    return attempt
  }

  cancelled(): boolean[] {
    return this.attempts.map(({ cancels }) => cancels.length > 0)
  }
}

const hop: NextHop = { via: 'uri', uri: sipUri({ host: 'next.example.com' }) }

function start(
  forks: number,
  parts: { headers?: string[]; cancelled?: boolean; method?: string } = {},
  options: Partial<ForwardOptions> = {},
) {
  const received = request({ method: parts.method ?? 'INVITE', headers: parts.headers ?? [] })
  const cancelOf = (...reasons: string[]): SipRequest =>
    request({ method: 'CANCEL', headers: reasons.map(reason => `Reason: ${reason}`) })
  const upstream: SipResponse[] = []
  const exchange = {
    request: received,
    point: { name: 'scscf', host: 'us', port: 5054 },
    flow: undefined,
    cancelled: parts.cancelled === true ? cancelOf() : undefined,
    onCancel: undefined as ServerExchange['onCancel'],
    respond: (response: SipResponse) => void upstream.push(response),
  }
  const sender = new FakeSender()
  let outcome: Outcome | undefined
  const branches = Array.from({ length: forks }, (): Fork => ({ request: received, hop }))
  void andThen(forward(exchange, branches, { sender, as: 'us:5054', ...options }), end => (outcome = end))
  return {
    sender,
    fork: (index: number) => sender.at(index),
    responses: () => upstream,
    upstream: () => upstream.map(({ status }) => status),
    outcome: async () => {
      await settled()
      return outcome
    },
    status: async () => {
      await settled()
      return outcome?.response.status
    },
    cancel: (...reasons: string[]) => {
      const cancel = cancelOf(...reasons)
      exchange.cancelled = cancel
      exchange.onCancel?.(cancel)
    },
  }
}

describe('responses on their way upstream (RFC 3261 §16.7)', () => {
  test('provisional ones go at once, 100 not at all', async () => {
    const { fork, upstream, status } = start(1)

    fork(0).answers(100)
    fork(0).answers(180)
    fork(0).answers(183)

    expect(upstream()).toEqual([180, 183])
    expect(await status()).toBeUndefined()
  })

  test('a 2xx goes at once, is the outcome, and ends the other forks', async () => {
    const { sender, fork, upstream, status } = start(3)
    fork(1).answers(486)

    fork(0).answers(200)

    expect(upstream()).toEqual([200])
    expect(await status()).toBe(200)
    expect(sender.cancelled()).toEqual([false, false, true])
    expect(fork(2).cancels).toEqual([['SIP;cause=200;text="Call completed elsewhere"']])
  })

  test('every further 2xx goes too, what rings after the first does not', async () => {
    const { fork, upstream } = start(2)
    fork(0).answers(200)

    fork(1).answers(180)
    fork(1).answers(200)
    fork(0).answers(200)

    expect(upstream()).toEqual([200, 200, 200])
  })

  test('a failure waits for the other forks', async () => {
    const { fork, upstream, status } = start(2)

    fork(0).answers(486)
    expect(await status()).toBeUndefined()
    fork(1).answers(404)

    expect(await status()).toBe(404)
    expect(upstream()).toEqual([])
  })

  test('a 6xx ends the other forks and wins, even over what is better', async () => {
    const { sender, fork, status } = start(3)

    fork(1).answers(603)
    expect(sender.cancelled()).toEqual([true, false, true])
    expect(await status()).toBeUndefined()
    fork(0).answers(487)
    fork(2).answers(487)

    expect(await status()).toBe(603)
  })

  test('a 2xx that crosses a 6xx still reaches the caller', async () => {
    const { fork, upstream, status } = start(2)

    fork(0).answers(600)
    fork(1).answers(200)

    expect(upstream()).toEqual([200])
    expect(await status()).toBe(200)
  })

  test.each([
    [[486, 404], 404],
    [[408, 503], 503],
    [[408, 487, 404], 487],
    [[302, 404], 302],
    [[487, 603], 603],
    [[408, 408], 408],
  ])('of %j the caller gets %i', async (statuses, best) => {
    const { fork, status } = start(statuses.length)

    statuses.forEach((one, index) => fork(index).answers(one))

    expect(await status()).toBe(best)
  })

  test('a challenge carries those of all forks (§16.7 step 7)', async () => {
    const { fork, outcome } = start(4)
    fork(0).answers(407, ['Proxy-Authenticate', 'Digest realm="p0"'])
    fork(1).answers(401, ['WWW-Authenticate', 'Digest realm="w1"'])
    fork(2).answers(404, ['WWW-Authenticate', 'Digest realm="not a challenge"'])
    fork(3).answers(401, ['WWW-Authenticate', 'Digest realm="w3"'], ['WWW-Authenticate', 'Digest realm="w4"'])

    const response = (await outcome())?.response

    expect(response?.status).toBe(401)
    expect(response?.headers.lines(H['WWW-Authenticate'])).toEqual([
      'Digest realm="w1"',
      'Digest realm="w3"',
      'Digest realm="w4"',
    ])
    expect(response?.headers.lines(H['Proxy-Authenticate'])).toEqual(['Digest realm="p0"'])
  })

  test('challenges are not in a better response', async () => {
    const { fork, outcome } = start(2)
    fork(0).answers(407, ['Proxy-Authenticate', 'Digest realm="p0"'])
    fork(1).answers(302)

    expect((await outcome())?.response.headers.has(H['Proxy-Authenticate'])).toBe(false)
  })

  test('are changed on the way, all but 100', async () => {
    const seen: [status: number, fork: number][] = []
    const { fork, outcome } = start(
      2,
      {},
      {
        onResponse: (response, index) => {
          seen.push([response.status, index])
          return response.with(response.headers.edit().append(H.Server, 'us').done())
        },
      },
    )
    fork(0).answers(100)
    fork(0).answers(180)
    fork(1).answers(486)
    fork(0).answers(404)

    expect(seen).toEqual([
      [180, 0],
      [486, 1],
      [404, 0],
    ])
    expect((await outcome())?.response.headers.get(H.Server)).toBe('us')
  })
})

describe('a fork without an answer', () => {
  test.each([
    ['timeout', 408],
    ['unreachable', 503],
  ] as const)('%s stands for %i', async (why, status) => {
    const { fork, outcome } = start(1)

    fork(0).saysNothing(why)

    expect(await outcome()).toMatchObject({ made: why, response: { status } })
  })

  test('counts less than an answer', async () => {
    const { fork, outcome } = start(2)

    fork(0).saysNothing('timeout')
    fork(1).answers(486)

    expect(await outcome()).toMatchObject({ made: undefined, response: { status: 486 } })
  })

  test('is 487 once the caller has given up', async () => {
    const { fork, cancel, outcome } = start(1)

    cancel()
    fork(0).saysNothing('timeout')

    expect(await outcome()).toMatchObject({ made: 'cancelled', response: { status: 487 } })
  })

  test('each end of a fork is told once, in its order', async () => {
    const ends: unknown[] = []
    const { fork } = start(
      3,
      {},
      { onForkEnd: (index, end) => void ends.push([index, typeof end === 'string' ? end : end.status]) },
    )

    fork(2).saysNothing('unreachable')
    fork(0).answers(486)
    fork(1).answers(200)
    fork(1).answers(200)

    expect(ends).toEqual([
      [2, 'unreachable'],
      [0, 486],
      [1, 200],
    ])
  })
})

describe('CANCEL from upstream (§16.10)', () => {
  test('goes to the open forks with the caller’s reasons', async () => {
    const { fork, cancel, status } = start(2)
    fork(0).answers(404)

    cancel('SIP;cause=600', 'Q.850;cause=16')

    expect(fork(0).cancels).toEqual([])
    expect(fork(1).cancels).toEqual([['SIP;cause=600', 'Q.850;cause=16']])
    fork(1).answers(487)
    expect(await status()).toBe(487)
  })

  test('without a reason says that the request is terminated', () => {
    const { fork, cancel } = start(1)

    cancel()

    expect(fork(0).cancels).toEqual([['SIP;cause=487;text="Request Terminated"']])
  })

  test('does not stop a 2xx', async () => {
    const { fork, cancel, upstream, status } = start(1)

    cancel()
    fork(0).answers(200)

    expect(upstream()).toEqual([200])
    expect(await status()).toBe(200)
  })

  test('that came before there was anything to cancel: nothing is sent, 487', async () => {
    const { sender, outcome } = start(2, { cancelled: true })

    expect(await outcome()).toMatchObject({ made: 'cancelled', response: { status: 487 } })
    expect(sender.attempts).toEqual([])
  })
})

describe('limits', () => {
  test.each(['0', '1'])('Max-Forwards %s is answered with 483', async hops => {
    const { sender, outcome } = start(1, { headers: [`Max-Forwards: ${hops}`] })

    expect(await outcome()).toMatchObject({ made: undefined, response: { status: 483 } })
    expect(sender.attempts).toEqual([])
  })

  test('each hop takes one off Max-Forwards', () => {
    const { fork } = start(2, { headers: ['Max-Forwards: 20'] })

    expect([fork(0).limits?.maxForwards, fork(1).limits?.maxForwards]).toEqual([19, 19])
  })

  test.each([
    [3, ['Max-Breadth: 8'], [3, 3, 2]],
    [2, ['Max-Breadth: 2'], [1, 1]],
    [2, [], [30, 30]],
    [1, [], [undefined]],
    [1, ['Max-Breadth: 5'], [undefined]],
  ])('%i forks of %j share it as %j (RFC 5393 §5.3.3)', (forks, headers, shares) => {
    const { sender } = start(forks, { headers })

    expect(sender.attempts.map(({ limits }) => limits?.maxBreadth)).toEqual(shares)
  })

  test('more forks than Max-Breadth allows are answered with 440', async () => {
    const { sender, status } = start(3, { headers: ['Max-Breadth: 2'] })

    expect(await status()).toBe(440)
    expect(sender.attempts).toEqual([])
  })
})

describe('a caller that asks for 199 (RFC 6228)', () => {
  const asking = { headers: ['Supported: timer, 199'] }

  test('hears that the dialogs of a fork have ended, with the reason, while others are open', () => {
    const { fork, responses } = start(2, asking)
    fork(0).answers(180)
    fork(0).answers(183)
    fork(1).answers(180)

    fork(0).answers(486)

    const told = responses().filter(({ status }) => status === 199)
    expect(told.map(({ toTag }) => toTag)).toEqual(['tag-180', 'tag-183'])
    for (const { headers } of told) expect(headers.get(H.Reason)).toBe('SIP;cause=486;text="Busy Here"')
  })

  test('also of one that falls silent', () => {
    const { fork, responses } = start(2, asking)
    fork(1).answers(180)

    fork(1).saysNothing('timeout')

    expect(responses().at(-1)?.status).toBe(199)
    expect(responses().at(-1)?.headers.get(H.Reason)).toContain('cause=408')
  })

  test('but of the last one only by the final response', async () => {
    const { fork, upstream, status } = start(2, asking)
    fork(0).answers(404)
    fork(1).answers(180)

    fork(1).answers(486)

    expect(upstream()).toEqual([180])
    expect(await status()).toBe(404)
  })

  test('and only once of a dialog whose phone has told itself', () => {
    const { fork, upstream } = start(2, asking)
    fork(0).answers(180)
    fork(0).answersIn('tag-180', 199)

    fork(0).answers(486)

    expect(upstream()).toEqual([180, 199])
  })

  test('not of those that it has given up itself', () => {
    const { fork, upstream, cancel } = start(2, asking)
    fork(0).answers(180)

    cancel()
    fork(0).answers(487)

    expect(upstream()).toEqual([180])
  })

  test.each([
    ['does not ask', { headers: ['Supported: timer'] }],
    ['takes only reliable responses', { headers: ['Supported: 199', 'Require: 100rel'] }],
    ['sends no INVITE', { method: 'MESSAGE', headers: ['Supported: 199'] }],
  ])('one that %s hears nothing', (_, parts) => {
    const { fork, upstream } = start(2, parts)
    fork(0).answers(180)

    fork(0).answers(486)

    expect(upstream()).toEqual([180])
  })
})

test('holdFinal leaves the 2xx to the caller, provisional responses go', async () => {
  const { fork, upstream, status } = start(1, {}, { holdFinal: true })

  fork(0).answers(183)
  fork(0).answers(200)

  expect(upstream()).toEqual([183])
  expect(await status()).toBe(200)
})

test('the ACK of a 2xx goes on while it has hops left', () => {
  const sender = new FakeSender()

  forwardAck(request({ method: 'ACK', headers: ['Max-Forwards: 2'] }), hop, sender, 'us')
  forwardAck(request({ method: 'ACK', headers: ['Max-Forwards: 1'] }), hop, sender, 'us')

  expect(sender.acks.map(({ limits }) => limits)).toEqual([{ maxForwards: 1, maxBreadth: undefined }])
})
