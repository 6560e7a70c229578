import { createHash, createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { akaHa1, akaPassword } from './password.ts'

const VECTOR = {
  response: 'A54211D5E3BA50BF',
  cryptKey: 'b40ba9a3c58b2a05bbf0d987b21bf8cb',
  integrityKey: 'f769bcd751044604127672711c6d3441',
} as const

test('version 1 takes RES itself, octet by octet (RFC 3310 §3.3)', () => {
  const password = akaPassword({ ...VECTOR, version: 1 })

  const octets = Buffer.concat([Buffer.from('a:r:'), Buffer.from('a54211d5e3ba50bf', 'hex')])
  expect(akaHa1('a', 'r', password)).toBe(createHash('md5').update(octets).digest('hex'))
})

test('version 2 takes base64 of a hash of RES, IK and CK (RFC 4169 §3)', () => {
  const password = akaPassword({ ...VECTOR, version: 2 })

  const key = Buffer.from(VECTOR.response + VECTOR.integrityKey + VECTOR.cryptKey, 'hex')
  const text = createHmac('md5', key).update('http-digest-akav2-password').digest('base64')
  expect(akaHa1('a', 'r', password)).toBe(createHash('md5').update(`a:r:${text}`).digest('hex'))
  expect(text).toMatch(/^[\w+/]{22}==$/)
})
