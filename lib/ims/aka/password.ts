import { createHmac, hash } from 'node:crypto'
import type { AuthVector } from '../homestead.ts'

/** Text that RFC 4169 §3 derives a password from. */
const AKAV2_TEXT = 'http-digest-akav2-password'

/**
 * What digest takes for the password of an AKA challenge, in hexadecimal digits: RES itself (RFC 3310 §3.3), or for
 * version 2 a text that is derived from RES and both keys (RFC 4169 §3).
 */
export function akaPassword({
  version,
  response,
  cryptKey,
  integrityKey,
}: Pick<Extract<AuthVector, { kind: 'aka' }>, 'version' | 'response' | 'cryptKey' | 'integrityKey'>): string {
  if (version === 1) return response.toLowerCase()
  const key = Buffer.from(response + integrityKey + cryptKey, 'hex')
  return Buffer.from(createHmac('md5', key).update(AKAV2_TEXT).digest('base64'), 'latin1').toString('hex')
}

/** HA1 of a password that is octets and not text. Username and realm are as on the wire, latin1. */
export function akaHa1(username: string, realm: string, password: string): string {
  return hash(
    'md5',
    Buffer.concat([Buffer.from(`${username}:${realm}:`, 'latin1'), Buffer.from(password, 'hex')]),
  )
}
