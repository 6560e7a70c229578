import { describe, expect, test } from 'vitest'
import { TestUsim } from './testing.ts'
import { akaVector, nextSqn, resyncedSqn } from './vector.ts'

/** TS 35.208 §4.3, set 1. */
const KEY = {
  k: '465b5ce8b199b49faa5f0a2ee238a6bc',
  opc: 'cd63cb71954a9f4e48a5994e37a02baf',
  amf: 'b9b9',
}
const RAND = Buffer.from('23553cbe9637a89d218ae64dae47bf35', 'hex')
const SQN = 0xff9bb4d0b607n

describe('an authentication vector', () => {
  test('holds RAND and AUTN, and what the phone will answer', () => {
    const vector = akaVector(KEY, SQN, RAND, 1)

    // AUTN is SQN xor AK, AMF, MAC-A.
    const autn = '55f328b43577' + 'b9b9' + '4a9ffac354dfafb3'
    expect(Buffer.from(vector.challenge, 'base64').toString('hex')).toBe(RAND.toString('hex') + autn)
    expect(vector).toMatchObject({
      kind: 'aka',
      version: 1,
      response: 'a54211d5e3ba50bf',
      cryptKey: 'b40ba9a3c58b2a05bbf0d987b21bf8cb',
      integrityKey: 'f769bcd751044604127672711c6d3441',
    })
  })
})

describe('sequence numbers', () => {
  test('never come back, and use each index in turn', () => {
    let sqn = 0n
    const seen: bigint[] = []
    for (let count = 0; count < 100; count++) {
      const next = nextSqn(sqn)
      expect(next >> 5n).toBe((sqn >> 5n) + 1n)
      sqn = next
      seen.push(sqn & 31n)
    }
    expect(new Set(seen).size).toBe(32)
  })

  test('begin anew after the last', () => {
    expect(nextSqn((1n << 48n) - 1n)).toBe(0n)
  })
})

describe('resynchronisation', () => {
  test('tells the number that the phone has come to', () => {
    const usim = new TestUsim(KEY, 0x123456789abcn)
    const { challenge } = akaVector(KEY, 0x123456789abcn, RAND, 1)

    const answer = usim.answer(challenge)

    if (answer.kind !== 'out-of-step') throw new Error(answer.kind)
    const resync = Buffer.concat([RAND, Buffer.from(answer.auts, 'base64')]).toString('base64')
    expect(resyncedSqn(KEY, resync)).toBe(0x123456789abcn)
    expect(resyncedSqn({ ...KEY, k: KEY.opc }, resync)).toBeUndefined()
  })

  // SQN of the set xor f5* of the set; MAC-S is over AMF 0, which the published sets do not have.
  const autsOf = (mac: string): string =>
    Buffer.concat([RAND, Buffer.from('ba853a3c123c' + mac, 'hex')]).toString('base64')

  test('is refused to who does not have the key', () => {
    expect(resyncedSqn(KEY, autsOf('01cfaf9ec4e871e9'))).toBeUndefined()
    expect(resyncedSqn(KEY, autsOf('0000000000000000'))).toBeUndefined()
  })

  test.for(['', 'AAAA', 'not base64 at all!!', 'A'.repeat(400)])('is refused to nonsense: %s', text => {
    expect(resyncedSqn(KEY, text)).toBeUndefined()
  })
})
