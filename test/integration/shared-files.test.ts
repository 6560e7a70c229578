import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApplicationServer } from '../support/application-server.ts'
import { phoneAt, registeredPhone } from '../support/calls.ts'
import { HomesteadBetween } from '../support/homestead-between.ts'
import { Nodes } from '../support/nodes.ts'
import { statusOf } from '../support/sip-text.ts'
import { provision, provisionCriteria, subscriber } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'

let nodes: Nodes
let between: HomesteadBetween
/** They play S-CSCFs and application servers. */
let first: ApplicationServer
let second: ApplicationServer

beforeAll(async () => {
  first = await ApplicationServer.start((request, server) => server.reply(request, 480))
  second = await ApplicationServer.start((request, server) => server.reply(request, 299))
  between = await HomesteadBetween.start()
  nodes = await Nodes.start({ shared: { apply_fallback_ifcs: 'Y', hs_hostname: between.address } })
  const host = nodes.address('homestead')
  between.behind = `${host}:${nodes.port('homestead')}`
  for (const user of ['ann', 'bob', 'cat'])
    await provision(nodes.port('provisioning'), subscriber(user), host)
})
afterAll(async () => {
  await nodes[Symbol.asyncDispose]()
  for (const one of [first, second, between]) await one[Symbol.asyncDispose]()
})

let reads = 0

/** Gives sprout a shared file, and waits until it has read it. */
async function follow(file: string, text: string): Promise<void> {
  writeFileSync(nodes.file('sprout', file), text)
  nodes.child('sprout').signal('SIGHUP')
  reads++
  await waitUntil('sprout to have read its files', () => nodes.timesRead('sprout') >= reads)
}

describe('s-cscf.json', () => {
  const entry = (server: string, priority: number, capabilities: number[]) => ({
    server,
    priority,
    weight: 100,
    capabilities,
  })

  test('says who serves a user that needs something; another one does if the first does not', async () => {
    const servers = [entry(first.uri, 0, [7, 8]), entry(second.uri, 1, [7])]
    await follow('s-cscf.json', JSON.stringify({ 's-cscfs': servers }))
    between.answers.set('/impi/cat@ims.test/registration-status', {
      'result-code': 2001,
      'mandatory-capabilities': [7],
      'optional-capabilities': [8],
    })
    await using phone = await phoneAt(nodes, 'cat')

    expect(statusOf(await phone.register())).toBe(299)
    expect(first.received.map(({ startLine }) => startLine)).toEqual([`REGISTER ${first.uri} SIP/2.0`])
    expect(second.received.map(({ startLine }) => startLine)).toEqual([`REGISTER ${second.uri} SIP/2.0`])
  })

  test('600 when nobody can do what the user needs; a broken file changes nothing', async () => {
    await follow('s-cscf.json', '{"s-cscfs":[{"server":"no uri","priority":-1}]}')
    await using phone = await phoneAt(nodes, 'cat')
    expect(statusOf(await phone.register())).toBe(299)

    between.answers.set('/impi/cat@ims.test/registration-status', {
      'result-code': 2001,
      'mandatory-capabilities': [9],
    })
    expect(statusOf(await phone.register())).toBe(600)
  })

  test('does not concern who has an S-CSCF', async () => {
    await using phone = await phoneAt(nodes, 'ann')

    expect(statusOf(await phone.register())).toBe(200)
  })
})

describe('filter criteria that operators keep', () => {
  const criterion = (server: ApplicationServer, method: string): string =>
    `<InitialFilterCriteria><TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF><SPT><Group>0</Group><Method>${method}` +
    `</Method></SPT></TriggerPoint><ApplicationServer><ServerName>${server.uri}</ServerName></ApplicationServer>` +
    '</InitialFilterCriteria>'
  const sharedSet = (id: number, content: string): string =>
    `<SharedIFCsSets><SharedIFCsSet><SetID>${id}</SetID>${content}</SharedIFCsSet></SharedIFCsSets>`

  async function message(from: string): Promise<number> {
    await using caller = await registeredPhone(nodes, from)
    await using callee = await registeredPhone(nodes, 'bob')
    callee.answerAll('MESSAGE', 200)
    return statusOf(await caller.response(caller.send('MESSAGE', callee.aor)))
  }

  test('shared_ifcs.xml counts for who names a set of it, from the moment it is read', async () => {
    const port = nodes.port('provisioning')
    const names = '<Extension><SharedIFCSetID>3</SharedIFCSetID></Extension>'
    await provisionCriteria(port, subscriber('ann'), names, nodes.address('homestead'))
    expect(await message('ann')).toBe(200)

    await follow('shared_ifcs.xml', sharedSet(3, criterion(second, 'MESSAGE')))
    expect(await message('ann')).toBe(299)

    await follow('shared_ifcs.xml', sharedSet(4, criterion(second, 'MESSAGE')))
    expect(await message('ann')).toBe(200)
  })

  test('fallback_ifcs.xml counts for whom no other criteria match', async () => {
    await follow('fallback_ifcs.xml', `<FallbackIFCsSet>${criterion(second, 'MESSAGE')}</FallbackIFCsSet>`)

    expect(await message('ann')).toBe(299)
  })

  test.for([
    '<FallbackIFCsSet>',
    '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><FallbackIFCsSet>&b;</FallbackIFCsSet>',
    '<a>'.repeat(200_000),
  ])('a hostile file changes nothing', async text => {
    await follow('fallback_ifcs.xml', text)

    expect(await message('ann')).toBe(299)
  })

  test('fallback criteria count only while that is asked for', async () => {
    nodes.writeFiles('sprout', { hs_hostname: between.address })
    await follow('fallback_ifcs.xml', `<FallbackIFCsSet>${criterion(second, 'MESSAGE')}</FallbackIFCsSet>`)

    expect(await message('ann')).toBe(200)
  })
})
