import { describe, expect, test } from 'vitest'
import { seconds } from '../../../lib/kit/clock.ts'
import type { SentRequest } from '../../../lib/ims/testing.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { BACK, visit, type Visited, type VisitOptions } from '../as/testing.ts'
import { cdiv } from './cdiv.ts'

const CAROL = 'sip:carol@example.com'
const TO_CAROL = ';target=sip%3Acarol%40example.com'

/** A call to Bob, whose calls go to Carol under these conditions. */
function call(conditions: string, options: VisitOptions = {}): Visited {
  const params = `${TO_CAROL}${conditions === '' ? '' : `;conditions=${conditions}`}`
  return visit('cdiv', cdiv, { params, ...options })
}

/** Bob answers thus, Carol 200. */
function bobAnswers(...statuses: number[]): (sent: SentRequest) => void {
  return sent => {
    if (sent.request.uri === CAROL) return sent.answer(200)
    for (const status of statuses)
      sent.answer(status, edit => edit.append(H.Contact, '<sip:dave@example.net>'))
  }
}

function targets({ sender }: Visited): string[] {
  return sender.sent.map(({ request }) => request.uri)
}

describe('a call is diverted', () => {
  test.each([
    ['', []],
    ['busy', [486]],
    ['busy', [180, 486]],
    ['not-registered', [404]],
    ['not-registered', [480]],
    ['no-answer', [180, 408]],
    ['not-reachable', [408]],
    ['not-reachable', [500]],
    ['not-reachable', [183, 503]],
    ['no-answer+not-reachable+nonsense', [503]],
  ])('on %s when Bob answers %s', async (conditions, statuses) => {
    const visited = call(conditions, { farSide: bobAnswers(...statuses) })
    await visited.done
    expect(targets(visited).at(-1)).toBe(CAROL)
    expect(visited.sender.last.to).toBe(BACK)
    expect(visited.exchange.statuses.slice(-2)).toEqual([181, 200])
  })

  test('with what tells of it: once for who diverts, once for where to', async () => {
    const visited = call('busy', { farSide: bobAnswers(486) })
    await visited.done
    const { headers } = visited.sender.last.request
    expect(headers.lines(H.Diversion)).toEqual(['<sip:bob@example.com>;reason=user-busy'])
    expect(headers.list(H['History-Info'])).toEqual([
      '<sip:bob@example.com;Reason=SIP%3Bcause%3D486%3Btext%3D%22Busy%20Here%22>;index=1',
      '<sip:carol@example.com>;index=1.1',
    ])
  })

  test('with what has been told by others before', async () => {
    const history = 'History-Info: <sip:ann@example.com>;index=1, <sip:bob@example.com;user=phone>;index=1.1'
    const visited = call('', { lines: [history, 'Diversion: <sip:ann@example.com>;reason=unknown'] })
    await visited.done
    const { headers } = visited.sender.only.request
    expect(headers.lines(H.Diversion)).toEqual([
      '<sip:bob@example.com>;reason=no-answer',
      '<sip:ann@example.com>;reason=unknown',
    ])
    expect(headers.list(H['History-Info'])).toEqual([
      '<sip:ann@example.com>;index=1',
      '<sip:bob@example.com;user=phone>;index=1.1',
      '<sip:carol@example.com>;index=1.1.1',
    ])
  })

  test('that nobody answers, after as long as it may ring; who rings is cancelled', async () => {
    const visited = call('no-answer', { params: `${TO_CAROL};conditions=no-answer;no-reply-timer=30` })
    const { sender, exchange } = visited
    sender.farSide = sent => sent.answer(sent.request.uri === CAROL ? 200 : 180)
    await Promise.resolve()
    await Promise.resolve()
    sender.clock.advance(seconds(29))
    expect(targets(visited)).toEqual(['sip:bob@example.com'])
    sender.clock.advance(seconds(1))
    await visited.done
    expect(sender.sent[0]?.cancelled).toBe(true)
    expect(targets(visited)).toEqual(['sip:bob@example.com', CAROL])
    expect(exchange.statuses).toEqual([180, 181, 200])
  })

  test('but not taken from who answers at the last moment', async () => {
    const visited = call('no-answer')
    const { sender, exchange } = visited
    sender.farSide = sent => sent.answer(180)
    await Promise.resolve()
    await Promise.resolve()
    sender.clock.advance(seconds(20))
    const [toBob] = sender.sent
    await Promise.resolve()
    await Promise.resolve()
    expect(targets(visited)).toEqual(['sip:bob@example.com', CAROL])
    toBob?.answer(200)
    expect(exchange.statuses.at(-1)).toBe(200)
    expect(sender.last.cancelled).toBe(true)
  })
})

describe('a call is not diverted', () => {
  test.each([
    ['busy', [480]],
    ['not-registered', [486]],
    ['not-reachable', [180, 408]],
    ['no-answer', [408]],
    ['not-reachable', [180, 503]],
    ['busy+not-registered+no-answer+not-reachable', [603]],
    ['busy+not-registered+no-answer+not-reachable', [302]],
    ['nonsense', [486]],
  ])('on %s when Bob answers %s', async (conditions, statuses) => {
    const visited = call(conditions, { farSide: bobAnswers(...statuses) })
    await visited.done
    expect(targets(visited)).toEqual(['sip:bob@example.com'])
    expect(visited.exchange.final.status).toBe(statuses.at(-1))
  })

  test.each([
    '',
    ';target=',
    ';target=banana',
    ';target=mailto%3Aa%40b.c',
    ';target=%ff',
    ';target=urn%3Aservice%3Asos',
  ])('to what is no address: "%s"', async params => {
    const visited = visit('cdiv', cdiv, { params })
    await visited.done
    expect(targets(visited)).toEqual(['sip:bob@example.com'])
    expect(visited.exchange.statuses).toEqual([200])
  })

  test('if it is none, comes from Bob himself, or is under way', async () => {
    for (const options of [
      { method: 'MESSAGE' },
      { user: '<sip:bob@example.com>;sescase=orig;regstate=reg' },
      { lines: ['To: <sip:bob@example.com>;tag=b'] },
    ]) {
      const visited = call('', options)
      await visited.done
      expect(targets(visited)).toEqual(['sip:bob@example.com'])
    }
  })

  test('when the caller has given up', async () => {
    const visited = call('busy', {
      farSide: sent => {
        const { exchange } = visited
        exchange.cancelled = exchange.request
        sent.answer(486)
      },
    })
    await visited.done
    expect(targets(visited)).toEqual(['sip:bob@example.com'])
  })
})

describe('a call that has been diverted five times', () => {
  const entries = ['1', '1.1', '1.1.1', '1.1.1.1', '1.1.1.1.1', '1.1.1.1.1.1'].map(
    (index, i) => `<sip:u${i}@example.com>;index=${index}`,
  )
  const five = `History-Info: ${entries.join(', ')}`

  test('ends here if it were diverted at once', async () => {
    const visited = call('', { lines: [five] })
    await visited.done
    expect(visited.exchange.statuses).toEqual([480])
    expect(visited.sender.sent).toEqual([])
  })

  test('ends with Bob’s own answer if he is tried', async () => {
    const visited = call('busy', { lines: [five], farSide: bobAnswers(486) })
    await visited.done
    expect(visited.exchange.final.status).toBe(486)
    expect(targets(visited)).toEqual(['sip:bob@example.com'])
  })

  test('ends with 480 when nobody answers', async () => {
    const visited = call('no-answer', { lines: [five], farSide: sent => sent.answer(180) })
    await Promise.resolve()
    await Promise.resolve()
    visited.sender.clock.advance(seconds(20))
    await visited.done
    expect(visited.exchange.final.status).toBe(480)
  })

  test('one less is diverted', async () => {
    const four = `History-Info: ${entries.slice(0, 5).join(', ')}`
    const visited = call('', { lines: [four] })
    await visited.done
    expect(targets(visited)).toEqual([CAROL])
  })

  test('counts by Diversion too, where no History-Info came', async () => {
    const lines = [0, 1, 2, 3, 4].map(i => `Diversion: <sip:u${i}@example.com>;reason=unknown`)
    const visited = call('', { lines })
    await visited.done
    expect(visited.exchange.statuses).toEqual([480])
  })
})
