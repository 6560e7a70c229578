import { describe, expect, test } from 'vitest'
import type { CallFragment, FragmentKind } from '../../store/call-list-store.ts'
import { parseXml } from '../xml.ts'
import { finishedCalls, formatCallList } from './calls.ts'
import { formatAnswer, formatEnd, fragmentTimestamp, localTime } from './fragment.ts'

const STARTED = new Date(2016, 6, 5, 10, 0, 0).getTime()
const BOB = { uri: 'sip:6505550002@example.com', name: 'Bob' }
const ALICE = { uri: 'sip:6505550001@example.com', name: 'Alice' }

function fragment(timestamp: string, id: string, kind: FragmentKind): CallFragment {
  return { timestamp, id, kind, xml: `<${kind}/>` }
}

describe('the parts of a call', () => {
  test('of an answered one together are as in the document', () => {
    const answer = { answered: true, at: STARTED + 5000, by: { uri: BOB.uri } } as const
    const begin = formatAnswer({ to: BOB, from: ALICE, outgoing: false, startedAt: STARTED, answer })

    expect(begin + formatEnd(STARTED + 300_000)).toBe(
      '<to><URI>sip:6505550002@example.com</URI><name>Bob</name></to>' +
        '<from><URI>sip:6505550001@example.com</URI><name>Alice</name></from>' +
        '<outgoing>0</outgoing><start-time>2016-07-05T10:00:00</start-time><answered>1</answered>' +
        '<answer-time>2016-07-05T10:00:05</answer-time>' +
        '<answerer><URI>sip:6505550002@example.com</URI></answerer>' +
        '<end-time>2016-07-05T10:05:00</end-time>',
    )
  })

  test('of a rejected one say no time of answer, and no name that nobody gave', () => {
    const call = { to: { uri: BOB.uri }, from: { ...ALICE, name: '' }, outgoing: true, startedAt: STARTED }

    expect(formatAnswer({ ...call, answer: { answered: false } })).toBe(
      '<to><URI>sip:6505550002@example.com</URI></to><from><URI>sip:6505550001@example.com</URI></from>' +
        '<outgoing>1</outgoing><start-time>2016-07-05T10:00:00</start-time><answered>0</answered>',
    )
  })

  test.each([
    ['markup', '</name><call>&', '</name><call>&'],
    ['UTF-8', Buffer.from('Zoë 😀').toString('latin1'), 'Zoë 😀'],
    ['latin1', 'Zo\xeb', 'Zoë'],
    ['what XML cannot carry', 'a\u0001\u0000b', 'a  b'],
  ])('carry a display name with %s as text', (_what, name, read) => {
    const answer = { answered: false } as const
    const xml = formatAnswer({
      to: { uri: BOB.uri, name },
      from: ALICE,
      outgoing: true,
      startedAt: 0,
      answer,
    })

    const parsed = parseXml(`<call>${xml}</call>`)

    if (!parsed.ok) throw new Error(parsed.message)
    expect(parsed.root.firstElementChild?.lastElementChild?.textContent).toBe(read)
  })
})

test('times are those of this machine', () => {
  expect(localTime(STARTED)).toBe('2016-07-05T10:00:00')
  expect(fragmentTimestamp(STARTED)).toBe('20160705100000')
})

describe('the calls that fragments tell of', () => {
  test('are those that are over, oldest first', () => {
    const over = [fragment('20260101000000', '1', 'begin'), fragment('20260101000000', '1', 'end')]
    const rejected = [fragment('20260101000000', '2', 'rejected')]

    expect(finishedCalls([...over, ...rejected])).toEqual([{ fragments: over }, { fragments: rejected }])
  })

  test.each<[string, readonly FragmentKind[]]>([
    ['in progress', ['begin']],
    ['of which the begin has expired', ['end']],
    ['that was answered and rejected', ['begin', 'end', 'rejected']],
  ])('do not contain one %s', (_what, kinds) => {
    expect(finishedCalls(kinds.map(kind => fragment('20260101000000', '1', kind)))).toEqual([])
  })

  test('become one document, empty without calls', () => {
    const fragments = [fragment('1', '1', 'begin'), fragment('1', '1', 'end'), fragment('2', '1', 'rejected')]

    expect(formatCallList([])).toBe('<call-list><calls></calls></call-list>')
    expect(formatCallList(finishedCalls(fragments))).toBe(
      '<call-list><calls><call><begin/><end/></call><call><rejected/></call></calls></call-list>',
    )
  })
})
