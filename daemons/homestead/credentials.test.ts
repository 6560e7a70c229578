import { describe, expect, test } from 'vitest'
import type { Impi } from '../../lib/ims/identity.ts'
import { readCredentials } from './credentials.ts'

const IMPI = 'alice@example.com' as Impi
const [K, OPC] = ['465b5ce8b199b49faa5f0a2ee238a6bc', 'cd63cb71954a9f4e48a5994e37a02baf']
const read = (body: unknown) => readCredentials(JSON.stringify(body), IMPI, 'example.com')

describe('credentials with a USIM', () => {
  test('need no password, and have the usual AMF', () => {
    expect(read({ aka: { k: K.toUpperCase(), opc: OPC } })).toEqual({
      credentials: { realm: 'example.com' },
      usim: { key: { k: K, opc: OPC, amf: '8000' } },
    })
  })

  test('may say where the USIM stands, and have a password beside', () => {
    const given = read({ digest_ha1: 'ab', aka: { k: K, opc: OPC, amf: 'B9B9', sqn: 'ff9bb4d0b607' } })

    expect(given).toEqual({
      credentials: { ha1: 'ab', realm: 'example.com' },
      usim: { key: { k: K, opc: OPC, amf: 'b9b9' }, sqn: 0xff9bb4d0b607n },
    })
  })

  test('may give OP in place of OPc (TS 35.208 §4.3 set 1)', () => {
    const given = read({ aka: { k: K, op: 'cdc202d5123e20f62b6d676ac72cb318' } })

    expect(given).toMatchObject({ usim: { key: { opc: OPC } } })
  })

  test.for([
    ['aka is not an object', 'x'],
    ['aka is not an object', [K, OPC]],
    ['aka.k', { opc: OPC }],
    ['aka.k', { k: K.slice(1), opc: OPC }],
    ['aka.k', { k: 7, opc: OPC }],
    ['exactly one of aka.opc', { k: K }],
    ['exactly one of aka.opc', { k: K, op: OPC, opc: OPC }],
    ['aka.opc or aka.op', { k: K, opc: `${OPC}00` }],
    ['aka.opc or aka.op', { k: K, op: `${OPC.slice(2)}zz` }],
    ['aka.amf', { k: K, opc: OPC, amf: '80' }],
    ['aka.sqn', { k: K, opc: OPC, sqn: 12 }],
  ])('are refused with a word on %s', ([word, aka]) => {
    expect(read({ aka })).toContain(word)
  })
})

test.for(['ab', 7, 'g'.repeat(64)])('a SHA-256 digest is one: %s is not', digest_ha1_sha256 => {
  expect(read({ plaintext_password: 's3cret', digest_ha1_sha256 })).toContain('digest_ha1_sha256')
})
