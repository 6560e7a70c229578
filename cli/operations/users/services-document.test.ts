import { describe, expect, test } from 'vitest'
import { simservsFault } from '../../../daemons/homer/simservs-schema.ts'
import { parseSimservs, type Simservs } from '../../../lib/ims/simservs.ts'
import { changedDocument, type DiversionName, type ServiceChanges } from './services-document.ts'

/** What counts after changes, one after another; each document is one that homer takes. */
function after(
  ...all: (Partial<Omit<ServiceChanges, 'divert'>> & { divert?: Record<string, string | undefined> })[]
) {
  let document: string | undefined
  for (const changes of all) {
    const divert = new Map(Object.entries(changes.divert ?? {})) as Map<DiversionName, string | undefined>
    document = changedDocument(document, { ...changes, divert })
    expect(simservsFault(document ?? '')).toBeUndefined()
  }
  return parseSimservs(document ?? '') as Simservs
}

function diverted(services: Simservs): string[] {
  return (services.diversion?.rules ?? []).map(
    ({ conditions, target }) => `${conditions.map(({ kind }) => kind).join('+')}>${target}`,
  )
}

describe('changes to services', () => {
  test('set a diversion for each circumstance, replace it and take it away', () => {
    const first = { divert: { busy: 'sip:a@b.c', 'no-answer': '+1650' }, noReplySeconds: 30 }
    expect(diverted(after(first))).toEqual(['busy>sip:a@b.c', 'no-answer>+1650'])
    expect(after(first).diversion?.noReplySeconds).toBe(30)
    const second = after(
      first,
      { divert: { busy: 'sip:d@e.f', always: 'sip:g@h.i' } },
      { divert: { 'no-answer': undefined } },
    )
    expect(diverted(second)).toEqual(['busy>sip:d@e.f', '>sip:g@h.i'])
    expect(second.diversion?.noReplySeconds).toBe(30)
  })

  test('bar by one rule at a time', () => {
    expect(after({ barOutgoing: 'international' }).outgoingBarring).toEqual([
      { conditions: [{ kind: 'international' }], allow: false },
    ])
    const changed = after({ barIncoming: 'all' }, { barIncoming: 'anonymous' })
    expect(changed.incomingBarring).toEqual([{ conditions: [{ kind: 'anonymous' }], allow: false }])
    expect(after({ barIncoming: 'all' }, { barIncoming: 'none' }).incomingBarring).toEqual([
      { conditions: [], allow: true },
    ])
  })

  test('hide the identity always, when asked, or never', () => {
    expect(after({ hideIdentity: 'always' }).restriction).toEqual({ byDefault: true })
    expect(after({ hideIdentity: 'always' }, { hideIdentity: 'on-request' }).restriction).toEqual({
      byDefault: false,
    })
    expect(after({ hideIdentity: 'never' }).restriction).toBeUndefined()
    expect(after({ hideIdentity: 'never' }, { hideIdentity: 'always' }).restriction).toEqual({
      byDefault: true,
    })
  })
})

describe('a document that was there', () => {
  const there = `<s:simservs xmlns:s="http://uri.etsi.org/ngn/params/xml/simservs/xcap" xmlns:p="urn:ietf:params:xml:ns:common-policy">
    <s:communication-diversion active="false"><p:ruleset>
      <p:rule id="busy"><p:conditions><s:media>audio</s:media><s:busy/></p:conditions><p:actions><s:forward-to><s:target>sip:keep@me</s:target></s:forward-to></p:actions></p:rule>
      <p:rule id="mine"><p:conditions><s:busy/></p:conditions><p:actions><s:forward-to><s:target>sip:old@x</s:target></s:forward-to></p:actions></p:rule>
    </p:ruleset></s:communication-diversion>
    <s:communication-waiting active="true"/><s:extensions><x xmlns="urn:x"/></s:extensions></s:simservs>`

  test('keeps what is not spoken of, whatever its prefixes', () => {
    const changes = {
      divert: new Map([['busy', 'sip:new@x']] as const),
      barIncoming: 'all',
      noReplySeconds: 9,
    } as const
    const changed = changedDocument(there, changes) ?? ''
    expect(simservsFault(changed)).toBeUndefined()
    expect(changed).toContain('communication-waiting')
    expect(changed).toContain('<x xmlns="urn:x"/>')
    const services = parseSimservs(changed) as Simservs
    expect(diverted(services)).toEqual(['media+busy>sip:keep@me', 'busy>sip:new@x'])
    expect(services.incomingBarring).toHaveLength(1)
  })

  test.each(['', 'hello', '<other/>', '<!DOCTYPE s><simservs/>'])(
    'is left alone if it is none: "%s"',
    document => {
      expect(changedDocument(document, { divert: new Map() })).toBeUndefined()
    },
  )

  test('takes targets as text, not as XML', () => {
    const changed = changedDocument(undefined, { divert: new Map([['always', 'sip:a&b<c@d']]) })
    expect(changed).toContain('sip:a&amp;b&lt;c@d')
  })
})
