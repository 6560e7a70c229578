import { describe, expect, test } from 'vitest'
import { isLoop, MAGIC_COOKIE, newBranch, newLocalBranch, newTag, randomText } from './branch.ts'
import { H } from './header-names.ts'
import { forHop } from './hop.ts'
import type { SipRequest } from './message.ts'
import { isToken } from './scan.ts'
import { request } from './testing.ts'

/** The request as it comes back after it was sent from here. */
function sentOn(original: SipRequest, params = ''): SipRequest {
  return forHop(original, `SIP/2.0/UDP us;branch=${newBranch(original)}${params}`, undefined)
}

describe('a branch', () => {
  test('is a token of RFC 3261, and never the same', () => {
    const branches = Array.from({ length: 1000 }, (_, i) =>
      i % 2 === 0 ? newBranch(request()) : newLocalBranch(),
    )

    expect(new Set(branches).size).toBe(1000)
    for (const branch of branches) {
      expect(branch.startsWith(MAGIC_COOKIE)).toBe(true)
      expect(isToken(branch)).toBe(true)
    }
  })
})

describe('a loop (RFC 3261 §16.3 step 4, RFC 5393 §4.2)', () => {
  const routes = ['Route: <sip:p1;lr>', 'Route: <sip:p2;lr>']
  const original = request({ headers: routes })

  test('is a request that comes back as it went', () => {
    expect(isLoop(original)).toBe(false)
    expect(isLoop(sentOn(original))).toBe(true)
    expect(isLoop(sentOn(original, ';received=192.0.2.1'))).toBe(true)
  })

  test('is seen below the Vias of others, on a line or on several', () => {
    const below = forHop(sentOn(original), 'SIP/2.0/UDP other;branch=z9hG4bK-other', undefined)
    const [top, ours, first] = below.headers.list(H.Via)

    expect(isLoop(below)).toBe(true)
    expect(isLoop(request({ via: `${top ?? ''}, ${ours ?? ''},${first ?? ''}`, headers: routes }))).toBe(true)
  })

  test('is not a spiral: the Request-URI or the Routes have changed', () => {
    const back = sentOn(original)

    expect(isLoop(back.with(back.headers, 'sip:carol@example.com'))).toBe(false)
    expect(isLoop(back.with(back.headers.withoutTop(H.Route)))).toBe(false)
  })

  test('is not found in the branches of others', () => {
    const others = forHop(original, 'SIP/2.0/UDP x;branch=z9hG4bKabc.def', undefined)

    expect(isLoop(others)).toBe(false)
  })

  test('cannot close unseen inside the process', () => {
    expect(isLoop(forHop(original, `SIP/2.0/TCP us;branch=${newLocalBranch()}`, undefined))).toBe(false)
  })
})

describe('chance', () => {
  test.each([0, 1, 2, 3, 7, 8, 40])('gives %i characters of a token', length => {
    const text = randomText(length)

    expect(text).toHaveLength(length)
    expect(text).toMatch(/^[\w-]*$/)
  })

  test('does not repeat itself when its pool is used up', () => {
    const tags = Array.from({ length: 5000 }, newTag)

    expect(new Set(tags).size).toBe(5000)
    expect(tags.every(tag => tag.length === 8)).toBe(true)
  })
})
