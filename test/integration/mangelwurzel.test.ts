import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callBetween, registeredPhone, type Call } from '../support/calls.ts'
import { Core, DOMAIN } from '../support/core.ts'
import { filterCriterion } from '../support/filter-criteria.ts'
import { Nodes } from '../support/nodes.ts'
import { dialogOfCallee, type Phone } from '../support/phone.ts'
import { statusOf, valueOf, valuesOf } from '../support/sip-text.ts'
import { provision, provisionCriteria, subscriber } from '../support/subscribers.ts'

/** Letters by 13 places, digits by 5: what a test without the server's own code expects of it. */
function rot13(text: string): string {
  const [from, to] = ['abcdefghijklmABCDEFGHIJKLM01234', 'nopqrstuvwxyzNOPQRSTUVWXYZ56789']
  return text.replace(/./g, each => to[from.indexOf(each)] ?? from[to.indexOf(each)] ?? each)
}

function tagOf(address: string): string {
  return /;tag=([^;]+)/.exec(address)?.[1] ?? ''
}

/** A request of the callee's and one of the caller's within the call, then its end: each sees the call as its own. */
async function talkAndHangUp(
  caller: Phone,
  callee: Phone,
  { dialog, invite, sentAnswer }: Call,
): Promise<void> {
  const info = callee.inDialog('INFO', dialogOfCallee(invite, sentAnswer))
  const told = await caller.request('INFO')
  expect(valueOf(told, 'call-id')).toBe(dialog.callId)
  expect(tagOf(valueOf(told, 'from'))).toBe(tagOf(dialog.remote))
  caller.reply(told, 200)
  expect(statusOf(await callee.response(info))).toBe(200)

  const bye = caller.inDialog('BYE', dialog)
  const ended = await callee.request('BYE')
  expect(valueOf(ended, 'call-id')).toBe(valueOf(invite, 'call-id'))
  expect(tagOf(valueOf(ended, 'to'))).toBe(tagOf(valueOf(sentAnswer, 'to')))
  callee.reply(ended, 200)
  expect(statusOf(await caller.response(bye))).toBe(200)
}

describe('built into sprout', () => {
  let core: Core
  let users = 0
  beforeAll(async () => {
    core = await Core.start()
  })
  afterAll(() => core[Symbol.asyncDispose]())

  /** The phone of a new subscriber whose calls are mangled. @param sessionCase 0: those he makes, 1: those he gets */
  async function phone(params?: string, sessionCase = 1, name = `user${++users}`): Promise<Phone> {
    await provision(core.port('provisioning'), subscriber(name))
    if (params !== undefined) {
      const criterion = filterCriterion(`sip:mangelwurzel.${DOMAIN}${params}`, { sessionCase })
      await provisionCriteria(core.port('provisioning'), subscriber(name), criterion)
    }
    return registeredPhone(core, name)
  }

  test.each([
    ['the callee', ';dialog;to;routes', 1],
    ['the caller', ';dialog;orig', 0],
    ['the caller, which forgets what the S-CSCF knows of it', ';dialog;ootb', 0],
  ])('a call is another one beyond the server of %s', async (_, params, sessionCase) => {
    await using caller = await phone(sessionCase === 0 ? params : undefined, 0)
    await using callee = await phone(sessionCase === 1 ? params : undefined)
    const call = await callBetween(caller, callee)
    expect(valueOf(call.invite, 'call-id')).toBe(rot13(valueOf(call.answer, 'call-id')))
    await talkAndHangUp(caller, callee, call)
  })

  test('a call that comes back to the server as a new one again and again ends', async () => {
    await using caller = await phone(';dialog;orig;ootb', 0)
    await using callee = await phone()
    const sent = caller.invite(callee.aor)
    const answer = await caller.response(sent)
    caller.ack(sent, answer)
    expect([482, 483]).toContain(statusOf(answer))
  })

  test('a number is turned into another one, whose phone rings', async () => {
    await using caller = await phone()
    await using other = await phone(undefined, 1, rot13('6505550002'))
    await using dialled = await phone(';req-uri', 1, '6505550002')
    const sent = caller.invite(dialled.aor)
    other.reply(await other.request('INVITE'), 486)
    const answer = await caller.response(sent)
    caller.ack(sent, answer)
    expect(statusOf(answer)).toBe(486)
    expect(dialled.received.some(message => message.startLine.startsWith('INVITE'))).toBe(false)
  })
})

describe('on a node of its own', () => {
  let nodes: Nodes
  let caller: Phone
  let callee: Phone
  beforeAll(async () => {
    nodes = await Nodes.start()
    // Only this server: the functions of a core that it has beside are asked for by nobody.
    nodes.writeFiles('server', { mmtel: '0', mangelwurzel: '5056' })
    await nodes.boot('server')
    const [host, port] = [nodes.address('homestead'), nodes.port('provisioning')]
    for (const user of ['6505550001', '6505550002']) await provision(port, subscriber(user), host)
    const server = `sip:mangelwurzel.as.${DOMAIN}:${nodes.port('mmtel') + 1};transport=TCP;dialog;to;routes`
    const criterion = filterCriterion(server, { sessionCase: 1 })
    await provisionCriteria(port, subscriber('6505550002'), criterion, host)
    caller = await registeredPhone(nodes, '6505550001')
    callee = await registeredPhone(nodes, '6505550002')
  })
  afterAll(async () => {
    await caller[Symbol.asyncDispose]()
    await callee[Symbol.asyncDispose]()
    await nodes[Symbol.asyncDispose]()
  })

  test('it opens no port but its own and those of a core', () => {
    expect(nodes.child('server').stdout).toContain(`mangelwurzel ${nodes.port('mmtel') + 1}`)
    expect(nodes.child('server').stdout).not.toContain('mmtel ')
  })

  test('a whole call goes by it, from its beginning to its end', async () => {
    const call = await callBetween(caller, callee)
    expect(valueOf(call.invite, 'call-id')).toBe(rot13(valueOf(call.answer, 'call-id')))
    expect(valuesOf(call.answer, 'record-route').join()).toContain(`mangelwurzel.as.${DOMAIN}:`)
    await talkAndHangUp(caller, callee, call)
  })

  test('once it is down, calls go on without it', async () => {
    await nodes.child('server').stop('SIGTERM')
    const call = await callBetween(caller, callee)
    expect(valueOf(call.invite, 'call-id')).toBe(valueOf(call.answer, 'call-id'))
    await talkAndHangUp(caller, callee, call)
  })
})
