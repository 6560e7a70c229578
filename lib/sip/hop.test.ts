import { describe, expect, test } from 'vitest'
import { H } from './header-names.ts'
import { breadthOf, forHop, hopsLeft } from './hop.ts'
import { request } from './testing.ts'

describe('what a request may still do', () => {
  test.each([
    [[], 70],
    [['Max-Forwards: 70'], 69],
    [['Max-Forwards: 1'], 0],
    [['Max-Forwards: 0'], -1],
  ])('after %j it has %i hops left (RFC 3261 §16.6 step 3)', (headers, left) => {
    expect(hopsLeft(request({ headers }))).toBe(left)
  })

  test('without Max-Breadth it may have 60 branches (RFC 5393 §5.3.3)', () => {
    expect(breadthOf(request())).toBe(60)
    expect(breadthOf(request({ headers: ['Max-Breadth: 2'] }))).toBe(2)
  })
})

describe('the next hop', () => {
  const received = request({ headers: ['Max-Forwards: 70', 'Max-Breadth: 8'] })

  test('gets our Via on top, and the limits', () => {
    const sent = forHop(received, 'SIP/2.0/TCP us;branch=z9hG4bK-1', { maxForwards: 69, maxBreadth: 4 })

    expect(sent.headers.list(H.Via)).toEqual(['SIP/2.0/TCP us;branch=z9hG4bK-1', received.headers.top(H.Via)])
    expect(sent.headers.lines(H['Max-Forwards'])).toEqual(['69'])
    expect(sent.headers.lines(H['Max-Breadth'])).toEqual(['4'])
  })

  test('gets Max-Breadth and Max-Forwards as they are where there is no limit', () => {
    const inherited = forHop(received, 'SIP/2.0/TCP us', { maxForwards: 69, maxBreadth: undefined })
    const own = forHop(received, 'SIP/2.0/TCP us', undefined)

    expect(inherited.headers.get(H['Max-Breadth'])).toBe('8')
    expect(own.headers.get(H['Max-Forwards'])).toBe('70')
  })
})
