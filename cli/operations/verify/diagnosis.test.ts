import { describe, expect, test } from 'vitest'
import { Headers } from '../../../lib/sip/headers.ts'
import { SipResponse } from '../../../lib/sip/message.ts'
import { reasonPhrase } from '../../../lib/sip/reasons.ts'
import type { CallStage } from './call.ts'
import { diagnoseCall, diagnosePoll, diagnoseRegistration } from './diagnosis.ts'
import type { Answer } from './user-agent.ts'

function answer(status?: number, provisional: readonly number[] = []): Answer {
  const final = status === undefined ? undefined : new SipResponse(status, reasonPhrase(status), Headers.none)
  return { final, provisional, undeliverable: false, ms: 1 }
}

const REFUSED: Answer = { ...answer(), undeliverable: true }

describe('an OPTIONS', () => {
  test.for([
    ['is answered', answer(200), undefined],
    ['finds an element that knows itself by another name', answer(403), undefined],
    ['is never answered', answer(), 'bono-1 never answered'],
    ['finds no open port', REFUSED, 'bono-1 takes no connection'],
    ['is refused', answer(503), 'bono-1 refuses everything at present'],
  ] as const)('%s', ([, heard, why]) => {
    expect(diagnosePoll('bono-1', heard)?.why).toBe(why)
  })
})

describe('a registration through a bono that answers', () => {
  test.for([
    ['is accepted', true, answer(200), undefined],
    ['is never answered', false, answer(), 'bono-1 → sprout'],
    ['breaks', false, REFUSED, 'cw → bono-1'],
    ['is answered 503', false, answer(503), 'bono-1 → sprout'],
    ['is answered 480', false, answer(480), 'sprout → homestead'],
    ['is answered 504', false, answer(504), 'sprout → homestead'],
    ['is answered 403', false, answer(403), 'sprout → homestead'],
    ['is challenged again', false, answer(401), 'sprout → homestead'],
    ['is answered 500', false, answer(500), 'bono-1 → sprout'],
  ] as const)('%s', ([, accepted, last, hop]) => {
    const registration = { accepted, challenged: false, last, steps: [] }

    expect(diagnoseRegistration('bono-1', registration)?.hop).toBe(hop)
  })

  test('tells who gave which answer', () => {
    const registration = { accepted: false, challenged: false, last: answer(504), steps: [] }

    expect(diagnoseRegistration('bono-1', registration)).toMatchObject({
      answeredBy: 'bono-1',
      answer: '504 Server Time-out',
    })
  })
})

describe.for([
  ['sprout', 'sprout-1', 'sprout-1'],
  ['bono', 'bono-1', 'sprout'],
] as const)('a call that enters at %s', ([role, node, core]) => {
  test.for<readonly [string, CallStage, Answer, string | undefined]>([
    ['is made', 'done', answer(200), undefined],
    ['finds no open port', 'INVITE', REFUSED, `cw → ${node}`],
    ['is not taken', 'INVITE', answer(), `cw → ${node}`],
    ['meets an unknown callee', 'INVITE', answer(404), `${core} → homestead`],
    ['meets a homestead that is gone', 'INVITE', answer(504), `${core} → homestead`],
    ['meets no registration', 'INVITE', answer(480), `${core} → registrations`],
    ['finds no way out', 'INVITE', answer(503), `${core} → bono-2`],
    ['is answered in vain', 'answer', answer(), `bono-2 → ${core}`],
    ['loses its ACK', 'ACK', answer(200), `${core} → bono-2`],
    ['loses its BYE', 'BYE', answer(), `${core} → bono-2`],
    ['loses the answer to its BYE', 'end', answer(), `bono-2 → ${core}`],
  ])('and %s', ([, stage, last, hop]) => {
    const way = { entry: { node, role }, exit: 'bono-2' }

    expect(diagnoseCall(way, { stage, last, steps: [], hosts: [] })?.hop).toBe(hop)
  })
})
