import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ApplicationServer } from '../support/application-server.ts'
import { Bind } from '../support/bind.ts'
import { registeredPhone } from '../support/calls.ts'
import { Nodes } from '../support/nodes.ts'
import type { Phone } from '../support/phone.ts'
import { statusOf, valueOf, type SipText } from '../support/sip-text.ts'
import { provision, subscriber } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'

/** ENUM as the manual has it (8.29, 8.43): users of ours, a trunk, ported numbers, and entries that lead in a circle. */
const ZONE = `
1.0.0.0.5.5.5.0.5.6.1 IN NAPTR 1 1 "u" "E2U+sip" "!^.*$!sip:bob@ims.test!" .
2.0.0.0.5.5.5.0.5.6.1 IN NAPTR 1 1 "" "E2U+sip" "!^.*$!+16505550001!" .
3.0.0.0.5.5.5.0.5.6.1 IN NAPTR 1 1 "" "E2U+sip" "!^.*$!+16505550003!" .
4.0.0.0.5.5.5.0.5.6.1 IN NAPTR 1 1 "u" "E2U+sip" "!(^.*$)!sip:\\\\1@trunk.test!" .
*.3.2.1.2.4.2 IN NAPTR 1 1 "u" "E2U+pstn:tel" "!(^.*$)!sip:\\\\1;npdi;rn=+242123@ims.test!" .
`

let bind: Bind
let nodes: Nodes
let trunk: ApplicationServer
let ported: ApplicationServer
let caller: Phone
let shared: Record<string, string>

beforeAll(async () => {
  trunk = await ApplicationServer.start((request, server) => server.reply(request, 200))
  ported = await ApplicationServer.start((request, server) => server.reply(request, 202))
  bind = await Bind.start('e164.test', ZONE)
  shared = { enum_server: bind.server, enum_suffix: 'e164.test' }
  nodes = await Nodes.start({ shared })
  const host = nodes.address('homestead')
  for (const user of ['ann', 'bob', '6505550009'])
    await provision(nodes.port('provisioning'), subscriber(user), host)
  caller = await registeredPhone(nodes, 'ann')
  await follow('bgcf.json', {
    routes: [
      { name: 'trunk', domain: 'trunk.test', route: [trunk.uri] },
      { name: 'ported', number: '+242123', route: [ported.uri] },
      { name: 'abroad', number: '+44', route: [trunk.uri] },
    ],
  })
})
afterAll(async () => {
  await caller[Symbol.asyncDispose]()
  await nodes[Symbol.asyncDispose]()
  for (const one of [trunk, ported, bind]) await one[Symbol.asyncDispose]()
})

let reads = 0

/** Gives sprout a shared file, and waits until it has read it. */
async function follow(file: string, content: unknown): Promise<void> {
  writeFileSync(nodes.file('sprout', file), typeof content === 'string' ? content : JSON.stringify(content))
  nodes.child('sprout').signal('SIGHUP')
  reads++
  await waitUntil('sprout to have read its files', () => nodes.timesRead('sprout') >= reads)
}

async function dial(uri: string): Promise<SipText> {
  return caller.response(caller.send('MESSAGE', uri))
}

/** The last request that came to a server, by its start line. */
const lastOf = (server: ApplicationServer): string => server.received.at(-1)?.startLine ?? ''

describe('ENUM on a real BIND', () => {
  test.for([
    'tel:+16505550001',
    'tel:+1-650-555-0001',
    'sip:+16505550001@ims.test;user=phone',
    'tel:+16505550002',
  ])('%s rings who it stands for', async uri => {
    await using callee = await registeredPhone(nodes, 'bob')
    callee.answerAll('MESSAGE', 200)

    expect(statusOf(await dial(uri))).toBe(200)
    expect(valueOf(await callee.request('MESSAGE'), 'p-called-party-id')).toBe('<sip:bob@ims.test>')
  })

  test('a number that stands for an address elsewhere goes there', async () => {
    expect(statusOf(await dial('tel:+16505550004'))).toBe(200)
    expect(lastOf(trunk)).toBe('MESSAGE sip:+16505550004@trunk.test SIP/2.0')
  })

  test('a ported number goes by its routing number, and is not looked up again where it says so itself', async () => {
    expect(statusOf(await dial('tel:+24212355501'))).toBe(202)
    expect(lastOf(ported)).toContain('rn=+242123')

    expect(statusOf(await dial('tel:+24212355502;rn=+44700;npdi'))).toBe(200)
    expect(lastOf(trunk)).toContain('tel:+24212355502;rn=+44700;npdi')
  })

  test('a number that is not there goes by its prefix, and else nowhere', async () => {
    expect(statusOf(await dial('tel:+442079460000'))).toBe(200)
    const nowhere = await dial('tel:+33140000000')
    expect(nowhere.startLine).toBe('SIP/2.0 404 No route to target')
  })

  test('entries that lead in a circle end the call, not the core', async () => {
    expect(statusOf(await dial('tel:+16505550003'))).toBe(404)
  })

  test('a user of ours with a number for a name is reached as before', async () => {
    await using callee = await registeredPhone(nodes, '6505550009')
    callee.answerAll('MESSAGE', 200)

    expect(statusOf(await dial(callee.aor))).toBe(200)
  })
})

describe('bgcf.json', () => {
  test('is followed while sprout runs; a broken one changes nothing', async () => {
    const routes = [{ name: 'abroad', number: '+33', route: [ported.uri] }]
    await follow('bgcf.json', { routes })
    expect(statusOf(await dial('tel:+33140000000'))).toBe(202)

    await follow('bgcf.json', '{"routes": [{"number": "+33", "route": ["no uri"]}]}')
    expect(statusOf(await dial('tel:+33140000000'))).toBe(202)
  })
})

describe('enum.json', () => {
  const block = (prefix: string, to: string) => ({ name: to, prefix, regex: `!(^.*$)!sip:${to}@ims.test!` })

  test('serves in place of a server, is followed, and a hostile one changes nothing', async () => {
    await nodes.child('sprout').stop('SIGTERM')
    nodes.writeFiles('sprout', { enum_file: nodes.file('sprout', 'enum.json') })
    writeFileSync(
      nodes.file('sprout', 'enum.json'),
      JSON.stringify({ number_blocks: [block('+1650', 'bob')] }),
    )
    await nodes.boot('sprout')
    reads = 0
    await using callee = await registeredPhone(nodes, 'bob')
    callee.answerAll('MESSAGE', 200)

    expect(statusOf(await dial('tel:+16505557777'))).toBe(200)
    expect(statusOf(await dial('tel:+1999'))).toBe(404)

    await follow('enum.json', { number_blocks: [block('+1650', 'nobody'), block('', 'bob')] })
    expect(statusOf(await dial('tel:+1999'))).toBe(200)
    expect(statusOf(await dial('tel:+16505557777'))).toBe(404)

    await follow('enum.json', `{"number_blocks":[${'{"prefix":"","regex":"!("},'.repeat(1000)}`)
    expect(statusOf(await dial('tel:+1999'))).toBe(200)
  })
})
