import { describe, expect, test } from 'vitest'
import { seconds } from '../../../lib/kit/clock.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { visit, type Visited, type VisitOptions } from '../as/testing.ts'
import { openMmtel } from './mmtel.ts'

const CALLER = '<sip:alice@example.com>;sescase=orig;regstate=reg'

/** A request at the server, whose user has this in his document; undefined: he has none. */
function call(services: string | undefined, options: VisitOptions = {}): Visited {
  const document = services === undefined ? undefined : `<simservs>${services}</simservs>`
  return visit('mmtel', openMmtel({ get: async () => document }), options)
}

async function sent(services: string | undefined, options: VisitOptions = {}) {
  const visited = call(services, options)
  await visited.done
  return visited.sender.only.request
}

async function statuses(services: string, options: VisitOptions = {}): Promise<number[]> {
  const visited = call(services, options)
  await visited.done
  return visited.exchange.statuses
}

/** The targets that a call was sent to, one after another. */
async function targets(services: string, options: VisitOptions = {}): Promise<string[]> {
  const visited = call(services, options)
  await visited.done
  return visited.sender.sent.map(({ request }) => request.uri)
}

function barring(direction: 'incoming' | 'outgoing', ...rules: string[]): string {
  return `<${direction}-communication-barring><ruleset>${rules.join('')}</ruleset></${direction}-communication-barring>`
}

function bar(conditions: string, allow = 'false'): string {
  return `<rule><conditions>${conditions}</conditions><actions><allow>${allow}</allow></actions></rule>`
}

function diversion(...rules: string[]): string {
  return `<communication-diversion><NoReplyTimer>7</NoReplyTimer><ruleset>${rules.join('')}</ruleset></communication-diversion>`
}

function divert(conditions: string, target: string): string {
  return `<rule><conditions>${conditions}</conditions><actions><forward-to><target>${target}</target></forward-to></actions></rule>`
}

function offer(...media: string[]): VisitOptions {
  return {
    lines: ['Content-Type: application/sdp'],
    body: ['v=0', 's=-', ...media.map(kind => `m=${kind} RTP/AVP 0`), ''].join('\r\n'),
  }
}

describe('restriction of the caller’s identity (OIR)', () => {
  const restricting = (behaviour: string): string =>
    `<originating-identity-presentation-restriction><default-behaviour>${behaviour}</default-behaviour></originating-identity-presentation-restriction>`

  test.each([
    ['presentation-restricted', [], ['id; header; user']],
    ['presentation-restricted', ['Privacy: session'], ['session; id; header; user']],
    ['presentation-restricted', ['Privacy: history;id'], ['history; id; header; user']],
    ['presentation-restricted', ['Privacy: none'], ['none']],
    ['presentation-not-restricted', [], []],
    ['presentation-not-restricted', ['Privacy: none'], ['none']],
    ['presentation-not-restricted', ['Privacy: id'], ['id; user']],
    ['presentation-not-restricted', ['Privacy: header;critical'], ['header; critical; user']],
    ['presentation-not-restricted', ['Privacy: user'], ['user']],
  ])('%s: %s becomes %s', async (behaviour, lines, expected) => {
    const { headers } = await sent(restricting(behaviour), { user: CALLER, lines })
    expect(headers.lines(H.Privacy)).toEqual(expected)
    expect(headers.get(H.From)).toBe('<sip:alice@example.com>;tag=a1')
  })

  test('is not his who is called', async () => {
    expect((await sent(restricting('presentation-restricted'))).headers.has(H.Privacy)).toBe(false)
  })
})

describe('barring', () => {
  const INTERNATIONAL = barring('outgoing', bar('<international/>'))

  test('of all calls, out and in', async () => {
    expect(await statuses(barring('outgoing', bar('')), { user: CALLER })).toEqual([603])
    expect(await statuses(barring('incoming', bar('')), { user: CALLER })).toEqual([200])
    expect(await statuses(barring('incoming', bar('')))).toEqual([603])
    expect(await statuses(barring('outgoing', bar('')))).toEqual([200])
    expect(await statuses(barring('outgoing', bar('')), { user: '<sip:b@c>;orig-cdiv' })).toEqual([603])
  })

  test('allows what any rule that holds allows, and what no rule holds for', async () => {
    expect(await statuses(barring('incoming', bar(''), bar('', 'true')))).toEqual([200])
    expect(await statuses(barring('incoming', bar('<roaming/>')))).toEqual([200])
    expect(await statuses(barring('incoming'))).toEqual([200])
  })

  test.each([
    ['tel:+441632960001', 603],
    ['tel:+44-1632-960-001', 603],
    ['sip:00441632960001@example.com', 603],
    ['sip:011441632960001@example.com;user=phone', 603],
    ['tel:+16505550001', 200],
    ['tel:011-1-650-555-0001', 200],
    ['sip:0016505550001@example.com', 200],
    ['sip:6505550001@example.com', 200],
    ['sip:carol@example.com', 200],
    ['sip:+bob@example.com', 200],
    ['tel:+', 200],
  ])('of international calls: %s gets %d', async (uri, status) => {
    expect((await statuses(INTERNATIONAL, { user: CALLER, uri })).at(-1)).toBe(status)
  })

  test.each([
    ['<international-exHC/>', { uri: 'tel:+441632960001' }, 200],
    ['<roaming/>', {}, 200],
    ['<busy/>', {}, 200],
    ['<rule-deactivated/>', {}, 200],
    ['<presence-status>away</presence-status>', {}, 603],
    ['<media>video</media>', offer('audio 4000'), 200],
    ['<media>video</media>', offer('audio 4000', 'video 0'), 200],
    ['<media>video</media>', offer('audio 4000', 'video 4002'), 603],
    ['<media>video</media>', {}, 200],
  ])('of calls for which %s holds', async (conditions, options: VisitOptions, status) => {
    expect(await statuses(barring('outgoing', bar(conditions)), { user: CALLER, ...options })).toEqual([
      status,
    ])
  })

  test.each([
    ['Privacy: id', '<anonymous/>', 433],
    ['From: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=1', '<anonymous/>', 433],
    ['Privacy: none', '<anonymous/>', 200],
    [
      'P-Asserted-Identity: <sip:Eve@EXAMPLE.net>',
      '<identity><one id="sip:Eve@example.net"/></identity>',
      603,
    ],
    [
      'P-Asserted-Identity: <sip:ann@example.net>',
      '<identity><one id="sip:Eve@example.net"/></identity>',
      200,
    ],
    ['P-Asserted-Identity: <sip:eve@example.net>', '<identity><many domain="example.net"/></identity>', 603],
    [
      'P-Asserted-Identity: <sip:eve@example.net>',
      '<identity><many domain="example.net"><except id="sip:eve@example.net"/></many></identity>',
      200,
    ],
    [
      'P-Asserted-Identity: <sip:eve@example.net>',
      '<identity><many><except domain="example.net"/></many></identity>',
      200,
    ],
    ['P-Asserted-Identity: <tel:+1-650-555-0001>', '<identity><one id="tel:+16505550001"/></identity>', 603],
    ['History-Info: <sip:a@b>;index=1, <sip:c@d>;index=1.1', '<communication-diverted/>', 603],
    ['History-Info: <sip:a@b>;index=1', '<communication-diverted/>', 200],
  ])('of callers: %s and %s give %d', async (line, conditions, status) => {
    expect((await statuses(barring('incoming', bar(conditions)), { lines: [line] })).at(-1)).toBe(status)
  })

  test('of whom is called', async () => {
    const services = barring('outgoing', bar('<identity><one id="sip:bob@example.com"/></identity>'))
    expect(await statuses(services, { user: CALLER })).toEqual([603])
    expect(await statuses(services, { user: CALLER, uri: 'sip:carol@example.com' })).toEqual([200])
  })
})

describe('diversion', () => {
  const bobSays =
    (...answers: number[]): NonNullable<VisitOptions['farSide']> =>
    far => {
      for (const status of far.request.uri === 'sip:bob@example.com' ? answers : [200]) far.answer(status)
    }

  test('by the first rule that holds, which must be about what the call has met', async () => {
    const rules = diversion(
      divert('<media>video</media>', 'sip:video@example.com'),
      divert('<busy/><media>video</media>', 'sip:busy-video@example.com'),
      divert('<busy/>', 'sip:busy@example.com'),
      divert('<busy/>', 'sip:busy-too@example.com'),
      divert('<busy/><no-answer/>', 'sip:never@example.com'),
      divert('<not-registered/>', 'tel:+1-650-555-0001'),
      divert('<not-reachable/>', '6505550009'),
    )
    const bob = 'sip:bob@example.com'
    expect(await targets(rules, { farSide: bobSays(486) })).toEqual([bob, 'sip:busy@example.com'])
    expect(await targets(rules, { farSide: bobSays(480) })).toEqual([bob, 'tel:+1-650-555-0001'])
    expect(await targets(rules, { farSide: bobSays(503) })).toEqual([bob, 'sip:6505550009@example.com'])
    expect(await targets(rules, { farSide: bobSays(180, 408) })).toEqual([bob])
    expect(await targets(rules, offer('audio 1', 'video 2'))).toEqual(['sip:video@example.com'])
  })

  test('after as long as the user lets it ring', async () => {
    const visited = call(diversion(divert('<no-answer/>', 'sip:late@example.com')), { farSide: bobSays(180) })
    for (let i = 0; i < 5; i++) await Promise.resolve()
    visited.sender.clock.advance(seconds(6))
    expect(visited.exchange.statuses).toEqual([180])
    visited.sender.clock.advance(seconds(1))
    await visited.done
    expect(visited.sender.last.request.uri).toBe('sip:late@example.com')
  })

  test('at once comes before barring of calls that come in, and that before all else', async () => {
    const bars = barring('incoming', bar(''))
    expect(await targets(diversion(divert('', 'sip:c@example.com')) + bars)).toEqual(['sip:c@example.com'])
    expect(await targets(diversion(divert('<busy/>', 'sip:c@example.com')) + bars)).toEqual([])
  })

  test('of Bob’s own (deflection): to the Contact of his 302, for any request, without a rule', async () => {
    const deflecting: NonNullable<VisitOptions['farSide']> = far => {
      if (far.request.uri !== 'sip:bob@example.com') return far.answer(200)
      far.answer(302, edit =>
        edit.append(H.Contact, '"C" <sip:carol@example.net?Subject=x>;q=1, <sip:dave@example.net>'),
      )
    }
    expect(await targets('', { farSide: deflecting })).toEqual([
      'sip:bob@example.com',
      'sip:carol@example.net',
    ])
    const message = { method: 'MESSAGE', farSide: deflecting }
    expect(await targets('', message)).toHaveLength(2)
    expect(await statuses('', message)).toEqual([200])
    const visited = call('', { farSide: deflecting })
    await visited.done
    expect(visited.sender.last.request.headers.get(H.Diversion)).toContain(';reason=unknown')
    expect(visited.sender.last.request.headers.get(H['History-Info'])).toContain('cause%3D302')
  })

  test('of Bob’s own to what is no address: the caller gets his 302', async () => {
    for (const contact of ['*', '<mailto:c@d>', '<<>>', '']) {
      const farSide: NonNullable<VisitOptions['farSide']> = far =>
        far.answer(302, edit => contact && edit.append(H.Contact, contact))
      expect(await statuses('', { farSide })).toEqual([302])
    }
  })

  test('hides the caller from whom it goes to as from Bob', async () => {
    const request = await sent(diversion(divert('', 'sip:c@example.com')), { lines: ['Privacy: user'] })
    expect(request.headers.get(H.From)).toContain('anonymous.invalid')
  })
})

describe('without a document', () => {
  test('nothing but the caller’s privacy counts', async () => {
    const farSide: NonNullable<VisitOptions['farSide']> = far =>
      far.answer(302, edit => edit.append(H.Contact, '<sip:c@d>'))
    const visited = call(undefined, { farSide, lines: ['Privacy: user'] })
    await visited.done
    expect(visited.exchange.statuses).toEqual([302])
    expect(visited.sender.only.request.headers.get(H.From)).toContain('anonymous.invalid')
  })

  test('and one that cannot be read is none', async () => {
    const server = openMmtel({ get: async () => '<!DOCTYPE a><simservs/>' })
    const visited = visit('mmtel', server)
    await visited.done
    expect(visited.exchange.statuses).toEqual([200])
  })

  test('and nobody is asked for one when it is not known for whom, or in a dialog', async () => {
    const server = openMmtel({ get: () => Promise.reject(new Error('asked')) })
    for (const options of [{ user: '' }, { lines: ['To: <sip:bob@example.com>;tag=b'] }]) {
      const visited = visit('mmtel', server, options)
      await visited.done
      expect(visited.exchange.statuses).toEqual([200])
    }
  })
})
