import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  branchOf,
  formatVia,
  hasRport,
  maddrOf,
  parseVia,
  receivedOf,
  rportOf,
  salvageVia,
  ttlOf,
  type Via,
} from './via.ts'

function via(text: string): Via {
  const value = parseVia(text)
  if (value === undefined) throw new Error(`${text} is no Via`)
  return value
}

describe('reading a Via', () => {
  test('the usual one', () => {
    expect(parseVia('SIP/2.0/UDP pc33.example.com:5060;branch=z9hG4bK776;rport')).toEqual({
      transport: 'UDP',
      host: 'pc33.example.com',
      port: 5060,
      params: ';branch=z9hG4bK776;rport',
    })
  })

  test('white space between all its parts, and any case', () => {
    const value = via(' sip  /   2.0\r\n /udp\r\n    192.0.2.2 : 5062 ;\r\n branch  = z9hG4bK1 ')
    expect(value).toMatchObject({ transport: 'UDP', host: '192.0.2.2', port: 5062 })
    expect(branchOf(value)).toBe('z9hG4bK1')
  })

  test('IPv6, other transports and other versions', () => {
    expect(via('SIP/2.0/TLS [2001:db8::9:1]:6050')).toMatchObject({ host: '[2001:db8::9:1]', port: 6050 })
    expect(via('SIP/7.0/UNKNOWN [2001:db8::9:1]').transport).toBe('UNKNOWN')
  })

  test.each([
    '',
    'SIP/2.0/UDP',
    'SIP/2.0/UDP ',
    'SIP/2.0 UDP x',
    'HTTP/2.0/UDP x',
    'SIP//UDP x',
    'SIP/2.0/ x',
    'SIP/2.0/UDPx',
    'SIP/2.0/UDP 192.0.2.15;;',
    'SIP/2.0/UDP 192.0.2.15;',
    'SIP/2.0/UDP 2001:db8::9:1',
    'SIP/2.0/UDP x:',
    'SIP/2.0/UDP x:99999',
    'SIP/2.0/UDP x y',
    'SIP/2.0/UDP x, SIP/2.0/UDP y',
    'SIP/2.0/UDP ;branch=1',
  ])('%j is refused', text => {
    expect(parseVia(text)).toBeUndefined()
  })
})

test('of a Via with malformed parameters the sent-by can be had, for a 400', () => {
  expect(parseVia('SIP/2.0/UDP 192.0.2.15;;')).toBeUndefined()
  expect(salvageVia('SIP/2.0/UDP 192.0.2.15:5070;;')).toEqual({
    transport: 'UDP',
    host: '192.0.2.15',
    port: 5070,
    params: '',
  })
  expect(salvageVia('SIP/2.0/UDP x;branch=1')).toEqual(parseVia('SIP/2.0/UDP x;branch=1'))
  expect(salvageVia('SIP/2.0/UDP 2001:db8::1')).toBeUndefined()
})

describe('its parameters', () => {
  test('rport: asked for, filled in, nonsense, absent', () => {
    expect([hasRport(via('SIP/2.0/UDP x;rport')), rportOf(via('SIP/2.0/UDP x;rport'))]).toEqual([
      true,
      undefined,
    ])
    expect(rportOf(via('SIP/2.0/UDP x;rport=5070'))).toBe(5070)
    expect(rportOf(via('SIP/2.0/UDP x;rport=70000'))).toBeUndefined()
    expect(hasRport(via('SIP/2.0/UDP x;branch=rport'))).toBe(false)
  })

  test('received loses its brackets; maddr and ttl', () => {
    expect(receivedOf(via('SIP/2.0/UDP x;received=[2001:db8::9:255]'))).toBe('2001:db8::9:255')
    expect(receivedOf(via('SIP/2.0/UDP x;received=2001:db8::9:255'))).toBe('2001:db8::9:255')
    expect(receivedOf(via('SIP/2.0/UDP x'))).toBeUndefined()
    const multicast = via('SIP/2.0/UDP x;maddr=224.0.1.75;ttl=15')
    expect([maddrOf(multicast), ttlOf(multicast)]).toEqual(['224.0.1.75', 15])
    expect(ttlOf(via('SIP/2.0/UDP x;ttl=256'))).toBeUndefined()
  })
})

test('parse after format gives the Via again', () => {
  const any = fc.record({
    transport: fc.constantFrom('UDP', 'TCP', 'TLS', 'WS', 'WSS'),
    host: fc.oneof(
      fc.ipV4(),
      fc.ipV6().map(address => `[${address}]`),
      fc.constant('a-b.example'),
    ),
    port: fc.option(fc.nat(65535), { nil: undefined }),
    params: fc.constantFrom('', ';branch=z9hG4bK1', ';rport;a="b;c"'),
  })
  fc.assert(
    fc.property(any, value => {
      expect(parseVia(formatVia(value))).toEqual(value)
    }),
  )
})
