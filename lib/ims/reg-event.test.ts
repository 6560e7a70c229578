import { describe, expect, test } from 'vitest'
import type { Binding, RegistrationRecord, Subscription } from '../store/registration-store.ts'
import { Gruus } from './gruu.ts'
import { withNotices, withSubscription, withoutSubscription } from './reg-event.ts'
import type { ContactEvent } from './reginfo.ts'
import { parseXml } from './xml.ts'

const NOW = 1_000_000
const ALICE = 'sip:alice@example.com'
const gruus = new Gruus('secret')

function binding(name: string, change: Partial<Binding> = {}): Binding {
  return {
    key: name,
    uri: `sip:${name}@192.0.2.1`,
    callId: 'c1',
    cseq: 7,
    expiresAt: NOW + 60_000,
    q: 1,
    params: '',
    paths: [],
    impi: 'alice@example.com',
    emergency: false,
    ...change,
  }
}

function subscription(toTag: string, change: Partial<Subscription> = {}): Subscription {
  return {
    requestUri: `sip:watcher-${toTag}@192.0.2.2`,
    fromUri: ALICE,
    fromTag: 'f',
    toUri: ALICE,
    toTag,
    callId: 's1',
    routes: [],
    expiresAt: NOW + 90_000,
    cseq: 1,
    version: 3,
    ...change,
  }
}

function record(bindings: readonly Binding[], ...subscriptions: readonly Subscription[]): RegistrationRecord {
  return {
    bindings,
    subscriptions: Object.fromEntries(subscriptions.map(each => [each.toTag, each])),
    associatedUris: [ALICE, 'tel:+15551234'],
    notifyCseq: 20,
    scscfUri: 'sip:scscf',
  }
}

function told(
  before: RegistrationRecord,
  after: RegistrationRecord,
  ended: ContactEvent = 'unregistered',
): ReturnType<typeof withNotices> {
  return withNotices(before, after, { now: NOW, gruus, ended })
}

/** Contacts of the first registration of a document, in short. */
function eventsIn(document: string | undefined): string[] {
  const [first = ''] = document?.split('</registration>') ?? []
  return [...first.matchAll(/<contact id="([^"]*)" state="(\w+)" event="(\w+)"/g)].map(([, ...words]) =>
    words.join(' '),
  )
}

const watcher = subscription('w')
const before = record([binding('a'), binding('b')], watcher)

describe('the document', () => {
  test('tells the watcher everything of each identity, in the form of RFC 3680 and RFC 5628', () => {
    const device = binding('<urn:uuid:1>', {
      params: ';+sip.instance="<urn:uuid:1>";audio',
      q: 0.5,
      gruuFrom: 6,
    })
    const fresh = record([device])
    const { notices } = told(fresh, withSubscription(fresh, subscription('w', { version: 0 })))
    const hidden = gruus.temporary(ALICE, { instance: 'urn:uuid:1', callId: 'c1', cseq: 7 })
    expect(notices[0]?.document).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n' +
        '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" xmlns:gr="urn:ietf:params:xml:ns:gruuinfo"' +
        ' version="0" state="full">' +
        `<registration aor="${ALICE}" id="w" state="active">` +
        '<contact id="&lt;urn:uuid:1&gt;" state="active" event="registered" expires="60" q="0.5" callid="c1" cseq="7">' +
        '<uri>sip:&lt;urn:uuid:1&gt;@192.0.2.1</uri>' +
        '<unknown-param name="+sip.instance">&lt;urn:uuid:1&gt;</unknown-param>' +
        '<unknown-param name="audio"></unknown-param>' +
        `<gr:pub-gruu uri="${ALICE};gr=urn:uuid:1"/><gr:temp-gruu uri="${hidden ?? ''}" first-cseq="6"/>` +
        '</contact></registration>' +
        '<registration aor="tel:+15551234" id="w-1" state="active">' +
        '<contact id="&lt;urn:uuid:1&gt;" state="active" event="registered" expires="60" q="0.5" callid="c1" cseq="7">' +
        '<uri>sip:&lt;urn:uuid:1&gt;@192.0.2.1</uri>' +
        '<unknown-param name="+sip.instance">&lt;urn:uuid:1&gt;</unknown-param>' +
        '<unknown-param name="audio"></unknown-param>' +
        '</contact></registration></reginfo>\n',
    )
  })

  test('tells of wildcards, which have no GRUUs', () => {
    const device = binding('d', { params: ';+sip.instance="<urn:uuid:1>"', gruuFrom: 6 })
    const fresh = record([device])
    const wildcards = ['sip:desk-!.*!@example.com']
    const { notices } = told(fresh, withSubscription(fresh, subscription('w', { version: 0, wildcards })))
    const document = notices[0]?.document ?? ''
    expect(document).toContain(' xmlns:ere="urn:3gpp:ns:extRegExp:1.0" version="0"')
    const element = document.split('<registration ')[3]
    expect(element).toMatch(/^aor="sip:wildcardimpu@wildcard" id="w-2" state="active"><contact /)
    expect(element).toContain('<ere:wildcardedIdentity>sip:desk-!.*!@example.com</ere:wildcardedIdentity>')
    expect(element).not.toContain('gr:')
    expect(parseXml(document).ok).toBe(true)
  })

  test('is well-formed whatever a phone has written', () => {
    const odd = binding('odd\x01"<&>\xff', { params: ';+x="\xc3\xa9\xff]]>"', callId: '\x00"' })
    const { notices } = told(before, { ...before, bindings: [...before.bindings, odd] })
    const document = notices[0]?.document ?? ''
    expect(document).toMatch(/^[\n -~]*$/)
    const parsed = parseXml(document)
    expect(parsed.ok).toBe(true)
    expect(document).toContain('&#233;')
  })
})

describe('what has happened', () => {
  test.each<[string, readonly Binding[], ContactEvent, string[]]>([
    ['a new contact', [...before.bindings, binding('c')], 'unregistered', ['c active created']],
    [
      'a later end',
      [binding('a', { expiresAt: NOW + 70_000 }), before.bindings[1] as Binding],
      'unregistered',
      ['a active refreshed'],
    ],
    [
      'an earlier one',
      [binding('a', { expiresAt: NOW + 1_000 }), before.bindings[1] as Binding],
      'unregistered',
      ['a active shortened'],
    ],
    ['a phone that goes', before.bindings.slice(1), 'unregistered', ['a terminated unregistered']],
    ['one put out by the network', before.bindings.slice(1), 'deactivated', ['a terminated deactivated']],
    ['one that makes room', before.bindings.slice(1), 'rejected', ['a terminated rejected']],
    [
      'a phone that moves',
      [binding('a', { uri: 'sip:a@192.0.2.9' }), before.bindings[1] as Binding],
      'unregistered',
      ['a terminated deactivated', 'a active created'],
    ],
    [
      'a contact for emergencies',
      [...before.bindings, binding('sos', { emergency: true })],
      'unregistered',
      [],
    ],
  ])('%s', (_what, bindings, ended, expected) => {
    const { notices } = told(before, { ...before, bindings }, ended)
    expect(notices.flatMap(({ document }) => eventsIn(document))).toEqual(expected)
    for (const { document, state } of notices) {
      expect(document).toContain('version="3" state="partial"')
      expect(state).toBe('active;expires=90')
    }
  })

  test('an end by time is told as such whoever noticed it', () => {
    const old = record([binding('a', { expiresAt: NOW }), binding('b')], watcher)
    const { notices } = told(old, { ...old, bindings: old.bindings.slice(1) }, 'deactivated')
    expect(eventsIn(notices[0]?.document)).toEqual(['a terminated expired'])
  })

  test('another set of identities is told as a whole', () => {
    const changed = { ...before, associatedUris: [ALICE, 'sip:work@example.com'] }
    const [notice] = told(before, changed).notices
    expect(notice?.document).toContain('state="full"')
    expect(
      [...(notice?.document.matchAll(/aor="([^"]*)" id="([^"]*)" state="(\w+)"/g) ?? [])].map(m =>
        m.slice(1),
      ),
    ).toEqual([
      [ALICE, 'w', 'active'],
      ['sip:work@example.com', 'w-1', 'active'],
      ['tel:+15551234', 'w-2', 'terminated'],
    ])
  })

  test('nothing is nothing, and keeps the record as it is', () => {
    const { record: after, notices } = told(before, before)
    expect(notices).toEqual([])
    expect(after).toBe(before)
  })
})

describe('the subscription', () => {
  test('counts versions by itself, and CSeq with the others', () => {
    const two = record(before.bindings, watcher, subscription('v', { version: 9 }))
    const { record: after, notices } = told(two, { ...two, bindings: [] }, 'deactivated')
    expect(notices.map(({ cseq }) => cseq)).toEqual([20, 21])
    expect(notices.map(({ document }) => /version="(\d+)"/.exec(document)?.[1])).toEqual(['3', '9'])
    expect(after.notifyCseq).toBe(22)

    const grown = told(two, { ...two, bindings: [...two.bindings, binding('c')] }).record
    expect(grown.subscriptions).toMatchObject({ w: { version: 4 }, v: { version: 10 } })
  })

  test('ends with the last contact', () => {
    const { record: after, notices } = told(before, { ...before, bindings: [] }, 'deactivated')
    expect(notices[0]?.state).toBe('terminated;reason=deactivated')
    expect(notices[0]?.document).toContain(
      '<registration aor="sip:alice@example.com" id="w" state="terminated">',
    )
    expect(notices[0]?.document).toContain('state="full"')
    expect(after.subscriptions).toEqual({})
  })

  test('ends with its time', () => {
    const late = record(before.bindings, subscription('w', { expiresAt: NOW }), subscription('v'))
    const { record: after, notices } = told(late, late)
    expect(notices.map(({ state, subscription: { toTag } }) => `${toTag} ${state}`)).toEqual([
      'w terminated;reason=timeout',
    ])
    expect(Object.keys(after.subscriptions)).toEqual(['v'])
  })

  test('of a phone that has gone is forgotten, of one that was put out is told', () => {
    const own = subscription('w', { requestUri: 'sip:a@192.0.2.1' })
    const watched = record(before.bindings, own)
    const left = { ...watched, bindings: before.bindings.slice(1) }
    expect(told(watched, left, 'unregistered')).toMatchObject({ record: { subscriptions: {} }, notices: [] })
    expect(told(watched, left, 'deactivated').notices).toHaveLength(1)
  })

  test('that is new is told everything, while the others hear what has changed', () => {
    const both = withSubscription(
      { ...before, bindings: [...before.bindings, binding('c')] },
      subscription('v'),
    )
    const states = told(before, both).notices.map(({ document }) => /state="(\w+)"/.exec(document)?.[1])
    expect(states).toEqual(['partial', 'full'])
  })

  test('is one of not too many: those that end first make room', () => {
    let full = record(before.bindings)
    for (let i = 0; i < 40; i++) full = withSubscription(full, subscription(`t${i}`, { expiresAt: NOW + i }))
    expect(Object.keys(full.subscriptions)).toHaveLength(32)
    expect(full.subscriptions['t39']).toBeDefined()
    expect(full.subscriptions['t0']).toBeUndefined()
  })

  test('can be taken out without a word', () => {
    expect(withoutSubscription(before, 'w').subscriptions).toEqual({})
    expect(withoutSubscription(before, 'x')).toBe(before)
  })
})
