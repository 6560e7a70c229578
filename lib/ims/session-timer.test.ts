import { describe, expect, test } from 'vitest'
import { H } from '../sip/header-names.ts'
import { responseTo } from '../sip/message.ts'
import { supports, withSessionAnswer, withSessionExpires } from './session-timer.ts'
import { sipRequest } from './testing.ts'

const invite = (...lines: string[]) => sipRequest('INVITE', 'sip:bob@example.com', lines)

describe('a request', () => {
  test.each([
    ['nothing', [], '600'],
    ['a shorter interval', ['Session-Expires: 599;refresher=uas'], '599;refresher=uas'],
    ['a longer one', ['Session-Expires: 1800;refresher=uac'], '600'],
    ['a longer one in the short form', ['x: 1800'], '600'],
    ['a demand for more', ['Min-SE: 900'], '900'],
    ['a demand for less', ['Min-SE: 120'], '600'],
    ['nonsense', ['Session-Expires: soon', 'Min-SE: later'], '600'],
  ])('that says %s', (_what, lines, expected) => {
    expect(withSessionExpires(invite(...lines), 600).lines(H['Session-Expires'])).toEqual([expected])
  })

  test('the least that RFC 4028 allows', () => {
    expect(withSessionExpires(invite(), 30).get(H['Session-Expires'])).toBe('90')
  })

  test('an UPDATE too, nothing else', () => {
    const of = (method: string) =>
      withSessionExpires(sipRequest(method, 'sip:b@x'), 600).has(H['Session-Expires'])
    expect([of('UPDATE'), of('BYE'), of('MESSAGE')]).toEqual([true, false, false])
  })
})

describe('an answer', () => {
  const answered = (status: number, asked: readonly string[], own: readonly string[] = []) => {
    const request = invite(...asked)
    const sent = request.with(withSessionExpires(request, 600))
    const edit = (headers: { add: (name: string, value: string) => unknown }) => {
      for (const value of own) headers.add('Session-Expires', value)
    }
    const { headers } = withSessionAnswer(responseTo(request, status, { edit }), request, sent)
    return [headers.get(H['Session-Expires']), headers.get(H.Require)]
  }

  test('of a callee that knows no timers: the caller refreshes, if it can', () => {
    expect(answered(200, ['Supported: timer'])).toEqual(['600;refresher=uac', 'timer'])
    expect(answered(200, [])).toEqual([undefined, undefined])
  })

  test('of a callee that does stays as it is', () => {
    expect(answered(200, ['Supported: timer'], ['300;refresher=uas'])).toEqual([
      '300;refresher=uas',
      undefined,
    ])
  })

  test('that is no 2xx stays as it is', () => {
    expect(answered(180, ['Supported: timer'])).toEqual([undefined, undefined])
    expect(answered(486, ['Supported: timer'])).toEqual([undefined, undefined])
  })
})

test('an option is supported when Supported or Require names it, in any case', () => {
  expect(supports(invite('Supported: path,Timer').headers, 'timer')).toBe(true)
  expect(supports(invite('k: 100rel', 'Require: timer').headers, 'timer')).toBe(true)
  expect(supports(invite('Supported: timers').headers, 'timer')).toBe(false)
})
