import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { noLog } from '../../lib/kit/log.ts'
import { EmbeddedDocumentStore } from '../../lib/store/embedded/documents.ts'
import { openEmbedded, type EmbeddedEnvironment } from '../../lib/store/embedded/environment.ts'
import { startHomer, type RunningHomer } from './homer.ts'

const ALICE = '/org.etsi.ngn.simservs/users/sip%3Aalice%40example.com/simservs.xml'

const NAMESPACES =
  'xmlns="http://uri.etsi.org/ngn/params/xml/simservs/xcap" xmlns:cp="urn:ietf:params:xml:ns:common-policy"'

function simservs(services: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<simservs ${NAMESPACES}>${services}</simservs>`
}

function diversion(rule: string): string {
  const ruleset = `<cp:ruleset>${rule}</cp:ruleset>`
  return simservs(`<communication-diversion active="true">${ruleset}</communication-diversion>`)
}

/** The document every new line gets (interfaces.md §16.7). */
const DEFAULT = simservs(`
  <originating-identity-presentation active="true" />
  <originating-identity-presentation-restriction active="true">
    <default-behaviour>presentation-not-restricted</default-behaviour>
  </originating-identity-presentation-restriction>
  <communication-diversion active="true"><NoReplyTimer>30</NoReplyTimer><cp:ruleset/></communication-diversion>
  <incoming-communication-barring active="true"><cp:ruleset>
    <cp:rule id="rule0"><cp:conditions/><cp:actions><allow>true</allow></cp:actions></cp:rule>
  </cp:ruleset></incoming-communication-barring>
  <outgoing-communication-barring active="true"><cp:ruleset>
    <cp:rule id="rule0"><cp:conditions/><cp:actions><allow>true</allow></cp:actions></cp:rule>
  </cp:ruleset></outgoing-communication-barring>`)

let dir: string
let environment: EmbeddedEnvironment
let homer: RunningHomer

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'cw-homer-'))
  environment = await openEmbedded({ dir })
  const documents = new EmbeddedDocumentStore(environment)
  homer = await startHomer({ log: noLog, documents, bind: '127.0.0.1', port: 0 })
})

afterEach(async () => {
  await homer.close()
  await environment.close()
  rmSync(dir, { recursive: true, force: true })
})

async function ask(method: string, body?: string, path = ALICE): Promise<{ status: number; body: string }> {
  const response = await fetch(`http://127.0.0.1:${homer.port}${path}`, {
    method,
    headers: { 'x-xcap-asserted-identity': 'sip:alice@example.com' },
    ...(body === undefined ? {} : { body }),
  })
  return { status: response.status, body: await response.text() }
}

async function reason(body: string): Promise<string> {
  const reply = await ask('PUT', body)
  expect(reply.status).toBe(400)
  return (JSON.parse(reply.body) as { reason: string }).reason
}

describe('documents (§3)', () => {
  test('one is stored, read, replaced and deleted', async () => {
    expect((await ask('GET')).status).toBe(404)
    expect(await ask('PUT', DEFAULT)).toEqual({ status: 200, body: '{}' })
    expect(await ask('GET')).toEqual({ status: 200, body: DEFAULT })
    expect(await ask('PUT', simservs(''))).toEqual({ status: 200, body: '{}' })
    expect(await ask('GET')).toEqual({ status: 200, body: simservs('') })
    expect(await ask('DELETE')).toEqual({ status: 204, body: '' })
    expect(await ask('DELETE')).toEqual({ status: 204, body: '' })
    expect((await ask('GET')).status).toBe(404)
  })

  test('each user has an own one', async () => {
    await ask('PUT', DEFAULT)

    expect((await ask('GET', undefined, ALICE.replace('alice', 'bob'))).status).toBe(404)
  })

  test('other methods and paths explain themselves', async () => {
    expect(await ask('POST', DEFAULT)).toMatchObject({ status: 405 })
    expect(JSON.parse((await ask('GET', undefined, '/org.etsi.ngn.simservs/users/')).body)).toEqual({
      error: true,
      status: 404,
      message: 'Not Found',
      reason: 'Not Found',
      detail: {},
    })
    expect(await ask('GET', undefined, '/ping')).toEqual({ status: 200, body: 'OK' })
  })

  test('one beyond the bound is refused', async () => {
    expect((await ask('PUT', simservs(' '.repeat(2_000_000)))).status).toBe(413)
    expect(await reason(simservs(' '.repeat(500_000)))).toContain('longer than')
  })
})

describe('accepted documents (§16.6)', () => {
  test.each([
    ['the default one', DEFAULT],
    [
      'services in any order, with other attributes',
      simservs(
        '<communication-waiting x="1"/><terminating-identity-presentation active="0"/><originating-identity-presentation/>',
      ),
    ],
    [
      'a service we do not know',
      simservs('<flexible-alerting-default><identity/></flexible-alerting-default>'),
    ],
    [
      'extensions at the end',
      simservs('<communication-waiting/><extensions><a xmlns="urn:x"/></extensions>'),
    ],
    [
      'a diversion with all of its parts',
      diversion(
        '<cp:rule id="r1"><cp:conditions><busy/><media>audio</media><not-registered/><x xmlns="urn:x">y</x></cp:conditions><cp:actions><forward-to><target>sip:bob@example.com</target><notify-caller>true</notify-caller><reveal-identity-to-caller>not-reveal-GRUU</reveal-identity-to-caller></forward-to></cp:actions><cp:transformations/></cp:rule><cp:rule id="r2"/>',
      ),
    ],
    [
      'prefixes for everything',
      `<s:simservs xmlns:s="http://uri.etsi.org/ngn/params/xml/simservs/xcap"><s:communication-waiting s:x="1"/></s:simservs>`,
    ],
  ])('%s', async (_, document) => {
    expect(await ask('PUT', document)).toEqual({ status: 200, body: '{}' })
  })
})

describe('refused documents, with the reason', () => {
  test.each([
    ['no XML', 'hello', ''],
    ['nothing', '', ''],
    ['an open element', '<simservs>', ''],
    ['a document type', '<!DOCTYPE simservs [<!ENTITY a "b">]><simservs>&a;</simservs>', 'document type'],
    ['no namespace', '<simservs/>', '{}simservs instead of'],
    ['another root', `<ruleset ${NAMESPACES}/>`, 'ruleset instead of'],
    [
      'a service of another namespace',
      simservs('<cp:communication-waiting/>'),
      'communication-waiting is not expected',
    ],
    ['extensions before a service', simservs('<extensions/><communication-waiting/>'), 'not expected'],
    [
      'the ruleset before the timer',
      simservs(
        '<communication-diversion><cp:ruleset/><NoReplyTimer>30</NoReplyTimer></communication-diversion>',
      ),
      'NoReplyTimer is not expected',
    ],
    [
      'a ruleset without its namespace',
      simservs('<communication-diversion><ruleset/></communication-diversion>'),
      'ruleset is not expected',
    ],
    [
      'a timer out of range',
      simservs('<communication-diversion><NoReplyTimer>181</NoReplyTimer></communication-diversion>'),
      '"181" is not a number from 5 to 180',
    ],
    ['a strange boolean', simservs('<communication-waiting active="yes"/>'), 'active "yes"'],
    ['a rule without id', diversion('<cp:rule/>'), 'id is missing'],
    ['a rule id that starts with a digit', diversion('<cp:rule id="0"/>'), 'not an XML ID'],
    ['two rules of one id', diversion('<cp:rule id="a"/><cp:rule id="a"/>'), 'used twice'],
    [
      'actions before conditions',
      diversion('<cp:rule id="a"><cp:actions/><cp:conditions/></cp:rule>'),
      'conditions is not expected',
    ],
    [
      'forwarding to nowhere',
      diversion('<cp:rule id="a"><cp:actions><forward-to/></cp:actions></cp:rule>'),
      'target is missing',
    ],
    [
      'forwarding options out of order',
      diversion(
        '<cp:rule id="a"><cp:actions><forward-to><notify-caller>true</notify-caller><target>sip:a@b</target></forward-to></cp:actions></cp:rule>',
      ),
      'target is missing before',
    ],
    [
      'a default behaviour that is none',
      simservs(
        '<originating-identity-presentation-restriction><default-behaviour>x</default-behaviour></originating-identity-presentation-restriction>',
      ),
      '"x" is not one of',
    ],
    ['text between elements', simservs('hello'), 'text is not expected'],
    [
      'content in a flag',
      diversion('<cp:rule id="a"><cp:conditions><busy>x</busy></cp:conditions></cp:rule>'),
      'text is not expected',
    ],
  ])('%s', async (_, document, expected) => {
    expect(await reason(document)).toContain(expected)
    expect((await ask('GET')).status).toBe(404)
  })
})
