import { encode, type Answer as Row, type Packet } from 'dns-packet'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RecordType } from './queries.ts'
import { formatQuestion, parseAnswer, plainName, type Question } from './wire.ts'

const RESPONSE = 0x8180

function answer(type: RecordType, rows: Row[], more: Partial<Packet> = {}) {
  const question: Question = { id: 7, name: 'h.example.com', type }
  const packet = encode({
    type: 'response',
    id: 7,
    flags: RESPONSE & 0x7fff,
    questions: [{ type, name: 'H.example.com' }],
    answers: rows,
    ...more,
  })
  return parseAnswer(packet, question)
}

const a = (name: string, data: string, ttl = 60): Row => ({ type: 'A', name, data, ttl })
const cname = (name: string, data: string, ttl = 60): Row => ({ type: 'CNAME', name, data, ttl })
const soa: Row = { type: 'SOA', name: 'example.com', ttl: 900, data: { mname: 'n', rname: 'r', minimum: 30 } }

describe('records', () => {
  test('come with the shortest of their times', () => {
    expect(answer('A', [a('h.example.com', '192.0.2.1', 60), a('H.EXAMPLE.com', '192.0.2.2', 20)])).toEqual({
      kind: 'records',
      records: ['192.0.2.1', '192.0.2.2'],
      ttl: 20,
    })
  })

  test('of SRV and NAPTR have all their parts', () => {
    const srv: Row = {
      type: 'SRV',
      name: 'h.example.com',
      ttl: 5,
      data: { priority: 1, weight: 2, port: 5054, target: 's.example.com' },
    }
    const naptr: Row = {
      type: 'NAPTR',
      name: 'h.example.com',
      ttl: 5,
      data: {
        order: 1,
        preference: 2,
        flags: 'u',
        services: 'E2U+sip',
        regexp: '!^.*$!sip:a@b!',
        replacement: '',
      },
    }

    expect(answer('SRV', [srv])).toEqual({
      kind: 'records',
      records: [{ name: 's.example.com', port: 5054, priority: 1, weight: 2 }],
      ttl: 5,
    })
    expect(answer('NAPTR', [naptr])).toMatchObject({
      records: [{ order: 1, preference: 2, flags: 'u', service: 'E2U+sip', regexp: '!^.*$!sip:a@b!' }],
    })
  })

  test('of other names and types are left out', () => {
    const rows = [a('other.example.com', '192.0.2.1'), cname('x.example.com', 'y.example.com')]

    expect(answer('A', rows)).toEqual({ kind: 'none', ttl: undefined })
  })

  test('of a service that is decidedly not offered are none', () => {
    const row: Row = { type: 'SRV', name: 'h.example.com', data: { port: 5060, target: '.' } }

    expect(answer('SRV', [row])).toEqual({ kind: 'none', ttl: undefined })
  })
})

describe('an alias', () => {
  test('is followed within the answer', () => {
    const rows = [cname('h.example.com', 'i.example.com', 10), a('i.example.com', '192.0.2.1')]

    expect(answer('A', rows)).toEqual({ kind: 'records', records: ['192.0.2.1'], ttl: 10 })
  })

  test('that leads out of the answer is to be asked for', () => {
    expect(answer('A', [cname('h.example.com', 'far.example.net')])).toEqual({
      kind: 'alias',
      name: 'far.example.net',
      ttl: 60,
    })
  })

  test('of itself leads nowhere', () => {
    const rows = [cname('h.example.com', 'i.example.com'), cname('i.example.com', 'h.example.com')]

    expect(answer('A', rows)).toEqual({ kind: 'none', ttl: undefined })
  })
})

test('nothing lasts as long as the zone says', () => {
  expect(answer('SRV', [], { authorities: [soa] })).toEqual({ kind: 'none', ttl: 30 })
})

test('a server that fails is told from one that knows of nothing', () => {
  expect(answer('A', [], { flags: 0x0100 | 2 })).toMatchObject({ kind: 'failed' })
  expect(answer('A', [], { flags: 0x0100 | 3 })).toMatchObject({ kind: 'none' })
})

describe('what is no answer to the question', () => {
  const question: Question = { id: 7, name: 'h.example.com', type: 'A' }
  const packet = (packet: Packet): Buffer => encode({ type: 'response', ...packet })

  test.for<readonly [string, Buffer]>([
    ['another id', packet({ id: 8, questions: [{ type: 'A', name: 'h.example.com' }] })],
    ['another name', packet({ id: 7, questions: [{ type: 'A', name: 'i.example.com' }] })],
    ['another type', packet({ id: 7, questions: [{ type: 'AAAA', name: 'h.example.com' }] })],
    ['no question', packet({ id: 7 })],
    ['the question itself', formatQuestion(question)],
    ['nothing', Buffer.alloc(0)],
  ])('is ignored: %s', ([, octets]) => {
    expect(parseAnswer(octets, question)).toBeUndefined()
  })

  test('is no exception, whatever it is', () => {
    const real = encode({
      type: 'response',
      id: 7,
      questions: [{ type: 'A', name: 'h.example.com' }],
      answers: [cname('h.example.com', 'i.example.com'), a('i.example.com', '192.0.2.1')],
    })
    const damage = fc.array(fc.tuple(fc.nat(real.length - 1), fc.nat(255)), { maxLength: 6 })
    fc.assert(
      fc.property(damage, fc.nat(real.length), (changes, end) => {
        const octets = Buffer.from(real)
        for (const [at, octet] of changes) octets[at] = octet
        parseAnswer(octets.subarray(0, end), question)
      }),
    )
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 600 }),
        octets => void parseAnswer(Buffer.from(octets), question),
      ),
    )
  })
})

test('a name that no server can have is not asked for', () => {
  expect(plainName('H.Example.COM.')).toBe('h.example.com')
  for (const name of ['', '.', 'a..b', `${'x'.repeat(64)}.com`, `${'x.'.repeat(130)}com`, 'a b']) {
    expect(plainName(name)).toBeUndefined()
  }
})
