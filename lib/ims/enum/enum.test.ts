import { describe, expect, test } from 'vitest'
import type { NaptrRecord } from '../../dns/queries.ts'
import { dnsEnum } from './dns-enum.ts'
import { defaultEnum } from './enum.ts'
import { fileEnum } from './file-enum.ts'
import { parseSubstitution } from './substitution.ts'

describe('a substitution (RFC 3402 §3.2)', () => {
  test.for([
    ['!(^.*$)!sip:\\1@example.com!', '+16505550001', 'sip:+16505550001@example.com'],
    ['!^\\+1(.*)$!sip:\\1@example.com!', '+16505550001', 'sip:6505550001@example.com'],
    ['/^(...)(.*)$/sip:\\2;a=\\1@h/', '16505', 'sip:05;a=165@h'],
    ['!^A(.*)$!\\1!i', 'ab', 'b'],
    ['!6505!x!', '+16505550001', '+1x550001'],
    ['!^(.)!\\\\\\1\\9!', 'ab', '\\ab'],
    ['!^44!x!', '+1650', undefined],
  ] as const)('%s of %s is %s', ([written, text, result]) => {
    expect(parseSubstitution(written)?.(text)).toBe(result)
  })

  test.for([
    '',
    '!',
    '!a!b',
    'x!a!b!',
    '!a!b!c!',
    '!a!b!x',
    '!+1(^.*$)!sip:x!',
    '!(?=a)!b!',
    `!${'a'.repeat(600)}!b!`,
  ])('is none: %s', written => {
    expect(parseSubstitution(written)).toBeUndefined()
  })

  test('costs little, however it is written', () => {
    expect(parseSubstitution('!^(a+)+$!x!')?.(`${'a'.repeat(5000)}b`)).toBeUndefined()
  })
})

describe('enum.json (manual 8.29.3)', () => {
  const blocks = [
    { prefix: '212555027', regex: '!(^.*$)!sip:+1\\1@ngv.example.com!' },
    { prefix: '2125550270', regex: '!(^.*$)!sip:\\1@10.147.226.2!' },
    { prefix: '+1650555', regex: '!+1(^.*$)!sip:\\1@ngv.example.com!' },
    { prefix: '', regex: '!(^.*$)!sip:\\1@trunk.example.com!' },
  ]
  const service = fileEnum(() => blocks)

  test.for([
    ['2125550270', 'sip:2125550270@10.147.226.2'],
    ['2125550271', 'sip:+12125550271@ngv.example.com'],
    // Shorter than the prefix that it begins.
    ['21255502', 'sip:21255502@trunk.example.com'],
    // The manual's own rule, which is no regular expression.
    ['+16505551234', 'sip:+16505551234@trunk.example.com'],
  ] as const)('%s: %s', async ([number, uri]) => {
    expect(await service.lookup(number)).toBe(uri)
  })

  test('may say nothing', async () => {
    expect(await fileEnum(() => []).lookup('1')).toBeUndefined()
  })
})

describe('DNS', () => {
  type Zone = Readonly<Record<string, readonly Partial<NaptrRecord>[]>>
  const asked: string[] = []

  function inZone(zone: Zone) {
    asked.length = 0
    const usual = { flags: 'u', service: 'E2U+sip', regexp: '', replacement: '.', order: 1, preference: 1 }
    return dnsEnum(
      {
        resolveNaptr: async name => {
          asked.push(name)
          const records = zone[name]
          if (records === undefined) throw new Error('no server answers')
          return records.map(record => ({ ...usual, ...record }))
        },
      },
      'e164.arpa',
    )
  }

  const regexp = (result: string): string => `!^.*$!${result}!`

  test('is asked for the digits backwards', async () => {
    const service = inZone({ '1.0.5.6.1.e164.arpa': [{ regexp: '!(^.*$)!sip:\\1@h!' }] })

    expect(await service.lookup('+16501')).toBe('sip:+16501@h')
    expect(asked).toEqual(['1.0.5.6.1.e164.arpa'])
  })

  test('the first by order and preference that matches, of the services we know, in any case', async () => {
    const service = inZone({
      '1.e164.arpa': [
        { order: 3, preference: 1, regexp: regexp('sip:late@h') },
        { order: 2, preference: 9, regexp: regexp('sip:less@h') },
        { order: 2, preference: 1, service: 'e2u+PSTN:tel', regexp: regexp('sip:best@h') },
        { order: 1, preference: 1, regexp: '!^44!sip:other@h!' },
        { order: 1, preference: 1, service: 'E2U+email:mailto', regexp: regexp('mailto:a@h') },
        { order: 1, preference: 1, flags: 's', regexp: regexp('sip:flag@h') },
        { order: 1, preference: 1, regexp: '!(!x!' },
      ],
    })

    expect(await service.lookup('1')).toBe('sip:best@h')
  })

  test('what is not the last word leads on, to a number or a name', async () => {
    const service = inZone({
      '1.e164.arpa': [{ flags: '', regexp: regexp('+23') }],
      '3.2.e164.arpa': [{ flags: '', regexp: regexp('2.example.com') }],
      '2.example.com': [{ regexp: '!(^.*$)!sip:\\1@h!' }],
    })

    expect(await service.lookup('1')).toBe('sip:1@h')
    expect(asked).toEqual(['1.e164.arpa', '3.2.e164.arpa', '2.example.com'])
  })

  test('a circle ends after five questions', async () => {
    const service = inZone({ '1.e164.arpa': [{ flags: '', regexp: regexp('1') }] })

    expect(await service.lookup('1')).toBeUndefined()
    expect(asked).toHaveLength(5)
  })

  test('that does not answer knows nothing, and has no name for what has no digits', async () => {
    const service = inZone({})

    expect(await service.lookup('1')).toBeUndefined()
    expect(await service.lookup('+*#')).toBeUndefined()
    expect(asked).toHaveLength(1)
  })
})

test('without ENUM a number is a user of the home domain', async () => {
  expect(await defaultEnum('ims.test').lookup('+1')).toBe('sip:+1@ims.test')
})
