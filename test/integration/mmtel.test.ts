import { createServer, type RequestListener, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callAndHangUp, registeredPhone } from '../support/calls.ts'
import { Child } from '../support/child.ts'
import { Core, cw, DOMAIN, PROJECT } from '../support/core.ts'
import { filterCriterion } from '../support/filter-criteria.ts'
import type { Phone } from '../support/phone.ts'
import { freePortOffset } from '../support/ports.ts'
import { ruleset, simservs, storeServices } from '../support/services.ts'
import { statusOf, valueOf, valuesOf } from '../support/sip-text.ts'
import { provision, provisionCriteria, subscriber } from '../support/subscribers.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil } from '../support/wait.ts'

const MMTEL = `sip:mmtel.${DOMAIN}`

let core: Core
let users = 0

beforeAll(async () => {
  core = await Core.start()
})
afterAll(() => core[Symbol.asyncDispose]())

/** A new subscriber whose calls go by an MMTel server, with these services. */
async function newUser(services?: string, server = MMTEL): Promise<string> {
  const user = `${6505550000 + ++users}`
  await provision(core.port('provisioning'), subscriber(user))
  await provisionCriteria(core.port('provisioning'), subscriber(user), filterCriterion(server))
  if (services !== undefined) await storeServices(core.port('homer'), user, simservs(services))
  return user
}

async function phoneWith(services?: string, server?: string): Promise<Phone> {
  return registeredPhone(core, await newUser(services, server))
}

/** Calls, and acknowledges whatever the answer is. */
async function statusOfCall(caller: Phone, to: string): Promise<number> {
  const sent = caller.invite(to)
  const answer = await caller.response(sent)
  caller.ack(sent, answer)
  return statusOf(answer)
}

function diversion(conditions: string, target: string, timer = 20): string {
  const rule = [conditions, `<forward-to><target>${target}</target></forward-to>`] as const
  return `<communication-diversion active="true"><NoReplyTimer>${timer}</NoReplyTimer>${ruleset(rule)}</communication-diversion>`
}

function barring(direction: 'incoming' | 'outgoing', conditions = ''): string {
  const name = `${direction}-communication-barring`
  return `<${name} active="true">${ruleset([conditions, '<allow>false</allow>'])}</${name}>`
}

describe('a user who', () => {
  test('hides his identity by default is not known to whom he calls, unless he says so in the call', async () => {
    await using hidden = await phoneWith('<originating-identity-presentation-restriction active="true"/>')
    await using callee = await phoneWith()
    for (const [headers, from] of [
      [[], '"Anonymous" <sip:anonymous@anonymous.invalid>'],
      [[['Privacy', 'none']], `<${hidden.aor}>`],
    ] as const) {
      const sent = hidden.invite(callee.aor, { headers })
      const invite = await callee.request('INVITE')
      callee.reply(invite, 486)
      hidden.ack(sent, await hidden.response(sent))
      expect(valueOf(invite, 'from').split(';tag')[0]).toBe(from)
      expect(valuesOf(invite, 'p-asserted-identity')).toHaveLength(headers.length)
    }
  })

  test('bars calls makes none, or none abroad', async () => {
    await using barred = await phoneWith(barring('outgoing'))
    await using callee = await phoneWith()
    expect(await statusOfCall(barred, callee.aor)).toBe(603)

    await using atHome = await phoneWith(barring('outgoing', '<international/>'))
    expect(await statusOfCall(atHome, 'tel:+441632960001')).toBe(603)
    expect(await statusOfCall(atHome, `sip:011441632960001@${DOMAIN}`)).toBe(603)
    expect(await statusOfCall(atHome, `sip:16505550001@${DOMAIN}`)).toBe(404)
    expect(callee.received.some(message => message.startLine.startsWith('INVITE'))).toBe(false)
  })

  test('bars calls gets none, or none of whom he names, or who does not say who he is', async () => {
    await using caller = await phoneWith()
    await using barred = await phoneWith(barring('incoming'))
    expect(await statusOfCall(caller, barred.aor)).toBe(603)

    const identity = `<cp:identity><cp:one id="${caller.aor}"/></cp:identity>`
    await using choosy = await phoneWith(barring('incoming', identity))
    expect(await statusOfCall(caller, choosy.aor)).toBe(603)
    await using other = await phoneWith()
    await callAndHangUp(other, choosy)

    await using curious = await phoneWith(barring('incoming', '<anonymous/>'))
    const sent = caller.invite(curious.aor, { headers: [['Privacy', 'id']] })
    const answer = await caller.response(sent)
    caller.ack(sent, answer)
    expect(statusOf(answer)).toBe(433)
  })

  test('changes his mind is heard from the next call on', async () => {
    await using caller = await phoneWith()
    const user = await newUser(barring('incoming'))
    await using callee = await registeredPhone(core, user)
    expect(await statusOfCall(caller, callee.aor)).toBe(603)
    await storeServices(core.port('homer'), user, simservs(''))
    await callAndHangUp(caller, callee)
  })

  test('is helped by an operator: cw user services set counts from the next call on', async () => {
    const user = await newUser()
    await using callee = await registeredPhone(core, user)
    await using caller = await phoneWith()
    await callAndHangUp(caller, callee)
    const where = ['--port-offset', `${core.portOffset}`]
    const set = await cw('user', 'services', 'set', user, DOMAIN, '--bar-incoming', 'all', ...where)
    expect(set.code, set.stderr).toBe(0)
    expect(await statusOfCall(caller, callee.aor)).toBe(603)
  })

  test('has set up everything the default document has talks as anybody else', async () => {
    const services =
      '<originating-identity-presentation active="true"/>' +
      '<originating-identity-presentation-restriction active="true"><default-behaviour>presentation-not-restricted</default-behaviour></originating-identity-presentation-restriction>' +
      '<communication-diversion active="true"><NoReplyTimer>30</NoReplyTimer><cp:ruleset/></communication-diversion>' +
      `<incoming-communication-barring active="true">${ruleset(['', '<allow>true</allow>'])}</incoming-communication-barring>` +
      `<outgoing-communication-barring active="true">${ruleset(['', '<allow>true</allow>'])}</outgoing-communication-barring>`
    await using caller = await phoneWith(services)
    await using callee = await phoneWith(services)
    await callAndHangUp(caller, callee)
  })
})

describe('calls are diverted', () => {
  test.for([
    ['always', '', undefined],
    ['when the callee is busy', '<busy/>', 486],
    ['when he cannot be reached', '<not-reachable/>', 503],
    ['when they are of a kind', '<media>audio</media>', undefined],
  ] as const)('%s', async ([, conditions, status]) => {
    await using other = await phoneWith()
    await using callee = await phoneWith(diversion(conditions, other.aor))
    await using caller = await phoneWith()
    const sent = caller.invite(callee.aor)
    if (status !== undefined) callee.reply(await callee.request('INVITE'), status)
    await caller.response(sent, 181)
    const invite = await other.request('INVITE')
    other.reply(invite, 603)
    const answer = await caller.response(sent)
    caller.ack(sent, answer)
    expect(statusOf(answer)).toBe(603)
    expect(valuesOf(invite, 'history-info').join()).toContain(`<${other.aor}>;index=1.1`)
    expect(valuesOf(invite, 'diversion')).toHaveLength(1)
  })

  test('when the callee is not registered', async () => {
    await using other = await phoneWith()
    await using caller = await phoneWith()
    const away = await newUser(diversion('<not-registered/>', other.aor))
    other.answerAll('INVITE', 486)
    expect(await statusOfCall(caller, `sip:${away}@${DOMAIN}`)).toBe(486)
  })

  test('when nobody answers for as long as he lets it ring, and are talked through there', async () => {
    await using other = await phoneWith()
    await using callee = await phoneWith(diversion('<no-answer/>', other.aor, 5))
    await using caller = await phoneWith()
    const sent = caller.invite(callee.aor)
    const ringing = await callee.request('INVITE')
    callee.reply(ringing, 180)
    const begun = performance.now()
    callee.reply(await callee.request('CANCEL'), 200)
    const after = performance.now() - begun
    callee.reply(ringing, 487)
    other.reply(await other.request('INVITE'), 200)
    const answer = await caller.response(sent)
    caller.ack(sent, answer)
    await other.request('ACK')
    expect(statusOf(answer)).toBe(200)
    expect(after).toBeGreaterThan(4900)
  })

  test('where the callee’s phone says (302), without a rule', async () => {
    await using other = await phoneWith()
    await using callee = await phoneWith('')
    await using caller = await phoneWith()
    const sent = caller.invite(callee.aor)
    callee.reply(await callee.request('INVITE'), 302, { headers: [['Contact', `<${other.aor}>`]] })
    other.reply(await other.request('INVITE'), 486)
    const answer = await caller.response(sent)
    caller.ack(sent, answer)
    expect(statusOf(answer)).toBe(486)
  })

  test('five times, and no more', async () => {
    await using last = await phoneWith()
    let target = last.aor
    const chain: string[] = []
    for (let i = 0; i < 6; i++) {
      chain.unshift(`sip:${await newUser(diversion('', target))}@${DOMAIN}`)
      target = chain[0] ?? ''
    }
    const [sixth = '', fifth = ''] = chain
    await using caller = await phoneWith()
    last.answerAll('INVITE', 486)
    expect(await statusOfCall(caller, fifth)).toBe(486)
    expect(await statusOfCall(caller, sixth)).toBe(480)
  })

  test('not to garbage: the callee rings', async () => {
    await using caller = await phoneWith()
    for (const target of ['banana', 'mailto:a@b.c', 'urn:service:sos', 'sip:', `sip:${'x'.repeat(5000)}`]) {
      await using callee = await phoneWith(diversion('', target))
      callee.answerAll('INVITE', 486)
      const status = await statusOfCall(caller, callee.aor)
      expect([404, 486, 503], target.slice(0, 20)).toContain(status)
    }
    await using still = await phoneWith()
    await callAndHangUp(caller, still)
  })
})

test('a document of ten thousand lines holds nobody up', async () => {
  const conditions = '<busy/>\n'.repeat(10_000)
  const services = `<incoming-communication-barring>${ruleset([conditions, '<allow>false</allow>'])}</incoming-communication-barring>`
  await using caller = await phoneWith()
  await using callee = await phoneWith(services)
  await callAndHangUp(caller, callee)
})

describe('a homer that is not well', () => {
  let homer: Server
  let answer: RequestListener
  let apart: string
  const cleanUp = new AsyncDisposableStack()

  beforeAll(async () => {
    homer = createServer((request, response) => answer(request, response)).listen(0, '127.0.0.1')
    cleanUp.defer(() => {
      homer.closeAllConnections()
      homer.close()
    })
    await once(homer, 'listening')
    const dir = cleanUp.use(new TempDir('as'))
    const offset = await freePortOffset()
    const server = new Child(`${PROJECT}/bin/cw`, [
      ...['daemon', 'sprout', '--data-dir', dir.path, '--bind', '127.0.0.1', '--domain', DOMAIN],
      ...[
        '--port-offset',
        `${offset}`,
        '--homer',
        `http://127.0.0.1:${(homer.address() as AddressInfo).port}`,
      ],
    ])
    cleanUp.use(server)
    await waitUntil('the server to be ready', () => server.stdout.includes('is ready'))
    apart = `sip:127.0.0.1:${5055 + offset};transport=TCP`
  })
  afterAll(() => cleanUp.disposeAsync())

  const bars = simservs(barring('incoming'))
  const bomb = `<!DOCTYPE s [<!ENTITY a "${'b'.repeat(1000)}">${Array.from({ length: 20 }, (_, i) => `<!ENTITY a${i} "${`&a${i - 1};`.repeat(10)}">`).join('')}]>`

  test('but well enough: what it says counts', async () => {
    answer = (_, response) => response.end(bars)
    await using caller = await phoneWith()
    await using callee = await phoneWith('', apart)
    expect(await statusOfCall(caller, callee.aor)).toBe(603)
  })

  test.for<[string, RequestListener]>([
    ['says nothing', () => undefined],
    [
      'answers after everybody has stopped waiting',
      (_, response) => void setTimeout(() => response.end(bars), 3000),
    ],
    ['hangs up', request => request.socket.destroy()],
    ['fails', (_, response) => response.writeHead(503).end(bars)],
    ['answers nonsense', (_, response) => response.end('\u0000<<<>>>')],
    ['answers with a bomb', (_, response) => response.end(`${bomb}<simservs>&a19;</simservs>`)],
    [
      'answers with the secrets of the host',
      (_, response) =>
        response.end('<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><simservs>&x;</simservs>'),
    ],
    ['answers without end', (_, response) => void response.write(' '.repeat(3_000_000))],
  ])('that %s: calls go on without services', async ([, behaviour]) => {
    answer = behaviour
    await using caller = await phoneWith(undefined, apart)
    await using callee = await phoneWith(undefined, apart)
    await callAndHangUp(caller, callee)
  })
})
