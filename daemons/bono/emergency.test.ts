import { describe, expect, test } from 'vitest'
import { TestFlow } from '../../lib/ims/testing.ts'
import { seconds } from '../../lib/kit/clock.ts'
import { H } from '../../lib/sip/header-names.ts'
import { openEdge, UPSTREAM } from './testing.ts'

const ALLOWED = { allowAnonymousEmergencyCalls: true }

describe('a call to an emergency service by a phone that nobody knows', () => {
  test('is refused unless it is allowed', async () => {
    const { outside, sender } = openEdge()

    expect((await outside(new TestFlow(), 'INVITE', 'urn:service:sos')).statuses).toEqual([403])
    expect(sender.sent).toEqual([])
  })

  test('enters the core with no identity, and not as a call of a user of ours', async () => {
    const { outside, sender } = openEdge(ALLOWED)
    const claims = ['P-Asserted-Identity: <sip:alice@example.com>', 'Route: <sip:evil.example.org;lr>']

    await outside(new TestFlow(), 'INVITE', 'urn:service:sos', claims)

    const { headers } = sender.only.request
    expect(headers.has(H['P-Asserted-Identity'])).toBe(false)
    expect(headers.list(H.Route)).toEqual([UPSTREAM.replace(';orig', '')])
  })

  test('leaves nothing behind while nobody answers it', async () => {
    const { outside, sender, flows } = openEdge(ALLOWED)
    for (const status of [404, 503]) {
      sender.farSide = sent => sent.answer(status)
      await outside(new TestFlow('UDP'), 'INVITE', 'urn:service:sos')
    }

    expect(flows.size).toBe(0)
  })

  test('has its phone remembered for as long as a call may take, and no longer', async () => {
    const { outside, sender, flows } = openEdge(ALLOWED)
    const flow = new TestFlow('UDP')
    await outside(flow, 'INVITE', 'urn:service:sos')

    sender.clock.advance(seconds(3600))
    expect(flows.find(flow)).toBeDefined()
    sender.clock.advance(seconds(2 * 3600))
    expect(flows.find(flow)).toBeUndefined()
  })

  test('opens the door for nothing else', async () => {
    const { outside, sender } = openEdge(ALLOWED)
    const flow = new TestFlow()
    await outside(flow, 'INVITE', 'urn:service:sos')
    sender.sent.length = 0

    for (const uri of ['sip:bob@example.com', 'tel:112', 'urn:service:sosumi', 'urn:service:counseling']) {
      expect((await outside(flow, 'INVITE', uri)).statuses, uri).toEqual([403])
    }
    const inDialog = ['To: <sip:bob@example.com>;tag=1', 'Route: <sip:scscf.sprout.example.com;lr>']
    expect((await outside(flow, 'BYE', 'sip:bob@example.com', inDialog)).statuses).toEqual([403])
    expect(sender.sent).toEqual([])
  })
})
