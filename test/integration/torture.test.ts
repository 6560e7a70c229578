import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { RFC4475_CASES } from '../conformance/rfc4475/cases.ts'
import { RFC5118_CASES } from '../conformance/rfc5118/cases.ts'
import { loadCase, type Outcome, type TortureCase } from '../conformance/torture.ts'
import { callAndHangUp, registeredPhone } from '../support/calls.ts'
import { Core } from '../support/core.ts'
import { Ears } from '../support/ears.ts'
import type { Phone } from '../support/phone.ts'
import { answersOptions } from '../support/sip-probe.ts'
import { readSip, statusOf, valueOf, valuesOf, writeSip } from '../support/sip-text.ts'
import { provision, subscriber } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'
import { cutMessages } from '../support/wire.ts'

/** Longer messages are cut at every seventh octet; a connection for each octet of each would take minutes. */
const CUT_EVERYWHERE_UP_TO = 700
const CONNECTIONS_AT_ONCE = 40

const CASES = [...RFC4475_CASES, ...RFC5118_CASES].map((row, index) => ({ ...row, index }))
type Row = (typeof CASES)[number]
const PING = 'torture-ping'

let core: Core
let ann: Phone
let bob: Phone

beforeAll(async () => {
  core = await Core.start()
  for (const user of ['ann', 'bob']) await provision(core.port('provisioning'), subscriber(user))
  ann = await registeredPhone(core, 'ann')
  bob = await registeredPhone(core, 'bob', 'TCP')
})
afterAll(async () => {
  await ann[Symbol.asyncDispose]()
  await bob[Symbol.asyncDispose]()
  await core[Symbol.asyncDispose]()
})

afterEach(async () => {
  expect(core.exit, core.log).toBeUndefined()
  expect(await answersOptions(core.port('client'), 5000)).toBe(true)
})

describe('over UDP', () => {
  test.for(CASES)('$section $title', async row => {
    await using ears = await Ears.at(`127.0.7.${row.index + 1}`, viaPorts(row))

    ears.send(fresh(row), core.port('client'))
    ears.send(ping('UDP'), core.port('client'))

    await expectOutcome(row, () => ears.heard)
  })
})

describe('over TCP, cut', () => {
  test.for(CASES)('$section $title', { timeout: 120_000 }, async row => {
    const { length } = fresh(row)
    const step = length <= CUT_EVERYWHERE_UP_TO ? 1 : 7
    const cuts = Array.from({ length: Math.ceil(length / step) }, (_, index) => index * step)
    for (let done = 0; done < cuts.length; done += CONNECTIONS_AT_ONCE) {
      const batch = cuts.slice(done, done + CONNECTIONS_AT_ONCE)
      await Promise.all(
        batch.map(cut => {
          const message = fresh(row)
          return sendCut(row, [message.subarray(0, cut), message.subarray(cut)])
        }),
      )
    }
  })

  test.for(CASES)('$section $title, octet by octet', async row => {
    await sendCut(
      row,
      Array.from(fresh(row), octet => Buffer.from([octet])),
    )
  })
})

describe('over WebSocket', () => {
  test.for(CASES)('$section $title', async row => {
    const heard: string[] = []
    let closed = false
    const socket = new WebSocket(`ws://127.0.0.1:${core.port('webSocket')}`, 'sip')
    socket.on('error', () => undefined)
    socket.on('message', (data: Buffer) => heard.push(data.toString('latin1')))
    socket.on('close', () => (closed = true))
    await once(socket, 'open')
    try {
      // Binary, since some of the messages are not UTF-8 and must not be mended on the way.
      socket.send(fresh(row), { binary: true })
      socket.send(ping('WS'), { binary: true })
      // What is wrong with a frame may cost the connection; a frame in order may not.
      const mayClose = row.overStream !== undefined || row.parse === 'refused'
      // RFC 7118 §5 has one message in a frame: what follows it may be refused instead of ignored.
      const expect: TortureCase['expect'] = row.overStream === undefined ? row.expect : [...row.expect, 400]
      await expectOutcome(
        { ...row, expect },
        () => heard,
        () => closed && mayClose,
      )
    } finally {
      socket.terminate()
    }
  })
})

test('afterwards calls go through as before', async () => {
  // All this can have taken longer than a registration lasts.
  await ann.register()
  await bob.register()
  await callAndHangUp(ann, bob)
  await callAndHangUp(bob, ann)
})

let sent = 0

/**
 * The message of a case as nobody has sent it before: with a branch and a Call-ID of its own.
 *
 * The RFCs use some branches again and again, and what looks like a retransmission gets the answer of the first one.
 */
function fresh(row: Row): Buffer {
  const mark = `x${++sent}`
  const text = loadCase(row.file)
    .toString('latin1')
    .replace(/z9hG4bK(?=[^\s;,])/g, cookie => cookie + mark)
    .replace(/^(?:call-id|i)[ \t]*:[ \t]*(?=\S)/gim, name => name + mark)
  return Buffer.from(text, 'latin1')
}

/** Sends a message in pieces over a connection of its own, then a well-formed one, and judges what came back. */
async function sendCut(row: Row, pieces: readonly Buffer[]): Promise<void> {
  const heard: string[] = []
  let pending = ''
  let closed = false
  const socket = connect({ port: core.port('client'), host: '127.0.0.1', noDelay: true })
  socket.on('error', () => undefined)
  socket.on('close', () => (closed = true))
  socket.on('data', data => {
    const { messages, rest } = cutMessages(pending + data.toString('latin1'))
    pending = rest
    heard.push(...messages)
  })
  await once(socket, 'connect')
  try {
    for (const piece of pieces) {
      await new Promise(resolve => socket.write(piece, resolve))
      await new Promise(resolve => setImmediate(resolve))
    }
    if (row.overStream === 'incomplete') {
      expect(closed).toBe(false)
      return
    }
    if (row.overStream === 'unframeable') {
      await waitUntil('the end of the connection', () => closed)
      return
    }
    if (row.overStream === 'two-messages') {
      // What the second one leaves over makes the stream unreadable for a ping.
      await waitUntil('both answers', () => finalStatuses(heard).length === 2)
      expect(finalStatuses(heard).some(isRefusalOfForm)).toBe(false)
      return
    }
    socket.write(ping('TCP'))
    await expectOutcome(
      row,
      () => heard,
      () => closed && row.parse === 'refused',
    )
  } finally {
    socket.destroy()
  }
}

/**
 * Waits until the ping behind the message is answered (or the connection may be and is closed), and for the answer
 * to the message itself where there must be one.
 */
async function expectOutcome(
  row: TortureCase,
  heard: () => string[],
  mayStop = (): boolean => false,
): Promise<void> {
  const silenceAllowed = row.expect.some(outcome => isSilent(outcome, row.start))
  const statuses = (): number[] => finalStatuses(heard())
  try {
    await waitUntil('the answers', () => {
      return mayStop() || (heard().some(isPong) && (silenceAllowed || statuses().length > 0))
    })
  } catch (cause) {
    const got = heard().map(text => readSip(text).startLine)
    const wanted = row.expect.join(' or ')
    throw new Error(`expected ${wanted}, got ${got.join(', ') || 'nothing'}: ${row.reason}`, { cause })
  }
  const [status] = statuses()
  if (status === undefined) expect(silenceAllowed || mayStop(), row.reason).toBe(true)
  else
    expect(
      row.expect.some(outcome => allows(outcome, row.start, status)),
      `${status}: ${row.reason}`,
    ).toBe(true)
}

/** Final answers to the case itself. */
function finalStatuses(heard: readonly string[]): number[] {
  return heard
    .map(readSip)
    .filter(isAnswerToCase)
    .map(statusOf)
    .filter(status => status >= 200)
}

function isRefusalOfForm(status: number): boolean {
  return [400, 416, 420, 505].includes(status)
}

function isSilent(outcome: Outcome, start: TortureCase['start']): boolean {
  return outcome === 'dropped' || (outcome === 'handled' && start === 'response')
}

function allows(outcome: Outcome, start: TortureCase['start'], status: number): boolean {
  if (outcome === 'handled') return start === 'request' && !isRefusalOfForm(status)
  return outcome === status
}

function isPong(text: string): boolean {
  const message = readSip(text)
  return statusOf(message) === 200 && valueOf(message, 'call-id') === PING
}

function isAnswerToCase(message: ReturnType<typeof readSip>): boolean {
  return statusOf(message) > 0 && valueOf(message, 'call-id') !== PING
}

function ping(transport: string): Buffer {
  const text = writeSip(`OPTIONS sip:127.0.0.1:${core.port('client')} SIP/2.0`, [
    ['Via', `SIP/2.0/${transport} 127.0.0.1:9;rport;branch=z9hG4bK${Math.random().toString(36).slice(2)}`],
    ['Max-Forwards', '70'],
    ['From', '<sip:judge@ims.test>;tag=1'],
    ['To', '<sip:ims.test>'],
    ['Call-ID', PING],
    ['CSeq', '1 OPTIONS'],
  ])
  return Buffer.from(text, 'latin1')
}

/** Ports that the topmost Via names, as far as one can be read: that is where answers go. */
function viaPorts(row: TortureCase): number[] {
  const [via = ''] = valuesOf(readSip(loadCase(row.file).toString('latin1')), 'via')
  const port = Number(/^[^;,]*?:\s*(\d{1,5})\s*(?:[;,]|$)/.exec(via)?.[1] ?? NaN)
  return port > 0 && port < 65_536 ? [5060, port] : [5060]
}
