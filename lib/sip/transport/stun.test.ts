import { describe, expect, test } from 'vitest'
import { answerStun, isStun } from './stun.ts'

const TRANSACTION = '2112a442b7e7a701bc34d686fa87dfae'
const bindingRequest = (attributes = ''): Buffer =>
  Buffer.from(
    `0001${(attributes.length / 2).toString(16).padStart(4, '0')}${TRANSACTION}${attributes}`,
    'hex',
  )
const answer = (request: Buffer, address = '192.0.2.1'): string | undefined =>
  answerStun(request, address, 32_853)?.toString('hex')

describe('STUN keep-alives on a SIP port (RFC 5626 §8)', () => {
  // The address attributes are those of RFC 5769 §2.2 and §2.3.
  test('an IPv4 client learns its address', () => {
    expect(answer(bindingRequest())).toBe(`0101000c${TRANSACTION}002000080001a147e112a643`)
  })

  test('an IPv6 client learns its address', () => {
    const value = '0002a1470113a9faa5d3f179bc25f4b5bed2b9d9'
    expect(answer(bindingRequest(), '2001:db8:1234:5678:11:2233:4455:6677')).toBe(
      `01010018${TRANSACTION}00200014${value}`,
    )
    expect(answer(bindingRequest(), '::1')).toBe(
      `01010018${TRANSACTION}002000140002a147${TRANSACTION.slice(0, -1)}f`,
    )
    expect(answer(bindingRequest(), '::ffff:192.0.2.1')).toMatch(/002000140002a147.{20}29793a87ddaf$/)
  })

  test('attributes that may be ignored are', () => {
    expect(answer(bindingRequest('8022000161000000'))).toMatch(/^0101/)
    expect(answer(bindingRequest('0006000161000000'))).toMatch(/^0101/)
  })

  test('those that must be understood are refused by name (RFC 5389 §7.3.1)', () => {
    expect(answer(bindingRequest('0003000400000006'))).toBe(
      `01110010${TRANSACTION}0009000400000414000a000200030000`,
    )
  })

  test.each([
    ['a response', Buffer.from(`01010000${TRANSACTION}`, 'hex')],
    ['an indication', Buffer.from(`00110000${TRANSACTION}`, 'hex')],
    ['another cookie', Buffer.from(`00010000${TRANSACTION.replace('2112', '2113')}`, 'hex')],
    ['a wrong length', Buffer.from(`00010008${TRANSACTION}`, 'hex')],
    ['an attribute that goes beyond the end', bindingRequest('8022001061000000')],
    ['half an attribute', bindingRequest('8022')],
    ['too few octets', Buffer.from(`00010000${TRANSACTION.slice(0, 30)}`, 'hex')],
  ])('%s is met with silence', (_, datagram) => {
    expect(answer(datagram)).toBeUndefined()
  })

  test('SIP is not taken for STUN', () => {
    expect(isStun(Buffer.from('REGISTER sip:example.com SIP/2.0'))).toBe(false)
  })
})
