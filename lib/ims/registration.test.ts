import { describe, expect, test } from 'vitest'
import {
  askedOf,
  emptyRecord,
  formatBinding,
  isEmpty,
  nextExpiry,
  withContacts,
  withoutBinding,
  withoutExpired,
  withoutOwnContacts,
} from './registration.ts'
import { sipRequest } from './testing.ts'

const NOW = 1_000_000
const EMPTY = emptyRecord(['sip:a@x'], 'sip:scscf')
const register = (...lines: string[]) => sipRequest('REGISTER', 'sip:example.com', lines)

function contactsOf(...lines: string[]) {
  const asked = askedOf(register(...lines), 300)
  if (asked.kind !== 'contacts') throw new Error(asked.kind)
  return asked.contacts
}

function registered(record = EMPTY, impi = 'a@x', ...lines: string[]) {
  return withContacts(record, contactsOf(...lines), register(...lines), impi, NOW)
}

describe('what a REGISTER asks for', () => {
  test.each([
    ['fetch', []],
    ['contacts', ['Contact: <sip:a@h>']],
    ['remove-all', ['Contact: *', 'Expires: 0']],
    ['remove-all', ['m: *', 'Expires: 0']],
    ['malformed', ['Contact: *', 'Expires: 1']],
    ['malformed', ['Contact: *', 'Contact: <sip:a@h>', 'Expires: 0']],
    ['malformed', ['Contact: <sip:a@h']],
  ])('%s: %j', (kind, lines) => {
    expect(askedOf(register(...lines), 300).kind).toBe(kind)
  })

  test.each([
    ['Contact: <sip:a@h>', 'sip:a@h'],
    ['Contact: "A" <sip:a@h;transport=tcp>;q=0.1;expires=5', 'sip:a@h;transport=tcp'],
    ['Contact: <sip:a@h>;+sip.instance="<urn:uuid:1>"', '<urn:uuid:1>'],
    ['Contact: <sip:a@h>;reg-id=2;+sip.instance="<urn:uuid:1>"', '<urn:uuid:1>:2'],
    ['Contact: <sip:a@h>;reg-id=2', 'sip:a@h'],
    ['Contact: <sip:a@h;sos>', 'sossip:a@h;sos'],
    ['Contact: <sip:a@h;sos>;+sip.instance="<urn:uuid:1>"', 'sos<urn:uuid:1>'],
  ])('%s has the key %s', (line, key) => {
    expect(contactsOf(line).map(contact => contact.key)).toEqual([key])
  })

  test('parameters are kept, but for the registrar’s own', () => {
    const line = 'Contact: <sip:a@h>;expires=9;audio;q=0.3;pub-gruu="sip:g@x;gr=1";+g.x="y"'
    expect(contactsOf(line)[0]).toMatchObject({ params: ';audio;+g.x="y"', q: 0.3, expires: 9 })
  })
})

describe('a record', () => {
  test('notes how a binding came about', () => {
    const lines = [
      'Contact: <sip:a@h>;q=0.5',
      'Path: <sip:p1;lr>, <sip:p2;lr>',
      'Call-ID: c1',
      'CSeq: 7 REGISTER',
    ]
    expect(registered(EMPTY, 'a@x', ...lines).bindings).toEqual([
      {
        key: 'sip:a@h',
        uri: 'sip:a@h',
        callId: 'c1',
        cseq: 7,
        expiresAt: NOW + 300_000,
        q: 0.5,
        params: '',
        paths: ['<sip:p1;lr>', '<sip:p2;lr>'],
        impi: 'a@x',
        emergency: false,
      },
    ])
  })

  test('a renewed binding keeps its place, a new one comes last, one with no time left goes', () => {
    const first = registered(EMPTY, 'a@x', 'Contact: <sip:1@h>, <sip:2@h>, <sip:3@h>')
    const then = registered(first, 'a@x', 'Contact: <sip:4@h>, <sip:2@h>;expires=0, <sip:1@h>;q=0.1')
    expect(then.bindings.map(({ uri, q }) => [uri, q])).toEqual([
      ['sip:1@h', 0.1],
      ['sip:3@h', 1],
      ['sip:4@h', 1],
    ])
    expect(first.bindings).toHaveLength(3)
  })

  test('what one private identity removes leaves others’ and emergency bindings', () => {
    const mine = registered(EMPTY, 'a@x', 'Contact: <sip:1@h>, <sip:2@h;sos>')
    const both = registered(mine, 'b@x', 'Contact: <sip:3@h>')
    expect(withoutOwnContacts(both, 'a@x').bindings.map(({ uri }) => uri)).toEqual(['sip:2@h;sos', 'sip:3@h'])
  })

  test('expires binding by binding, at the very moment', () => {
    const record = registered(EMPTY, 'a@x', 'Contact: <sip:1@h>;expires=10, <sip:2@h>;expires=20')
    expect(nextExpiry(record)).toBe(NOW + 10_000)
    expect(withoutExpired(record, NOW + 9_999)).toBe(record)
    expect(withoutExpired(record, NOW + 10_000).bindings.map(({ uri }) => uri)).toEqual(['sip:2@h'])
    expect(isEmpty(withoutExpired(record, NOW + 20_000))).toBe(true)
    expect(nextExpiry(EMPTY)).toBeUndefined()
  })

  test('loses the binding that is named', () => {
    const record = registered(EMPTY, 'a@x', 'Contact: <sip:1@h>, <sip:2@h>')
    expect(withoutBinding(record, 'sip:1@h').bindings.map(({ uri }) => uri)).toEqual(['sip:2@h'])
  })
})

test('a binding is told with the seconds it has left, never less than none', () => {
  const [binding] = registered(EMPTY, 'a@x', 'Contact: <sip:1@h>;audio;q=0.5;expires=10').bindings
  if (binding === undefined) throw new Error('no binding')
  expect(formatBinding(binding, NOW + 500)).toBe('<sip:1@h>;q=0.5;expires=10;audio')
  expect(formatBinding(binding, NOW + 60_000)).toBe('<sip:1@h>;q=0.5;expires=0;audio')
})
