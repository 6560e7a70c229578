import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { gauge } from '../mib.ts'
import {
  formatOpen,
  formatRegister,
  formatResponse,
  MalformedPdu,
  PDU,
  readError,
  readPdu,
  readQuestion,
} from './pdu.ts'

/** A GetNext in little-endian order as a master on such a machine may send it, with a context before it. */
const LITTLE = Buffer.from(
  '01060800' +
    '01000000' +
    '02000000' +
    '03000000' +
    '24000000' + // header
    '03000000' +
    '61626300' + // context
    '02040100' +
    '0a000000' +
    '07000000' + // start: internet.4.10.7, itself included
    '03040000' +
    '0b000000' +
    '00000000' +
    '01000000', // end
  'hex',
)

describe('a PDU', () => {
  test('is read in the byte order that it says', () => {
    const read = readPdu(Buffer.concat([LITTLE, Buffer.from('rest')]))

    expect(read).toMatchObject({
      length: LITTLE.length,
      pdu: { type: PDU.getNext, sessionId: 1, packetId: 3 },
    })
    expect(read && readQuestion(read.pdu).ranges).toEqual([
      { start: [1, 3, 6, 1, 4, 10, 7], inclusive: true, end: [1, 3, 6, 1, 4, 11, 0, 1] },
    ])
  })

  test('that is not complete is waited for', () => {
    for (let length = 0; length < LITTLE.length; length++)
      expect(readPdu(LITTLE.subarray(0, length))).toBeUndefined()
  })

  test('of ours is read as it was written', () => {
    const open = readPdu(formatOpen(5, 'astaire', 5))
    expect(open?.pdu).toMatchObject({ type: PDU.open, packetId: 5 })
    expect(readPdu(formatRegister(9, 6, [1, 2, 3]))?.pdu).toMatchObject({ type: PDU.register, sessionId: 9 })
    const question = readPdu(LITTLE)
    const answer = question && formatResponse(question.pdu, 7, [{ oid: [1, 2], value: gauge(3) }])
    const response = answer && readPdu(answer)
    expect(response?.pdu).toMatchObject({ type: PDU.response, sessionId: 1, transactionId: 2, packetId: 3 })
    expect(response && readError(response.pdu)).toBe(7)
  })

  test.each([
    ['of another version', '02060000' + '00'.repeat(16)],
    ['of no whole words', '01060010' + '00'.repeat(12) + '03000000'],
    ['that is too large', '01061000' + '00'.repeat(12) + '7fffffff'],
  ])('%s is refused', (_, hex) => {
    expect(() => readPdu(Buffer.from(hex, 'hex'))).toThrow(MalformedPdu)
  })

  test('whatever it holds, it is read or refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(5, 6, 7, 18), (octets, type) => {
        const payload = Buffer.from(octets.subarray(0, octets.length - (octets.length % 4)))
        const header = Buffer.alloc(20)
        header.writeUInt8(1, 0)
        header.writeUInt8(type, 1)
        header.writeUInt8(0x10, 2)
        header.writeUInt32BE(payload.length, 16)
        const read = readPdu(Buffer.concat([header, payload]))
        if (read === undefined) throw new Error('it is complete')
        try {
          if (type === PDU.response) readError(read.pdu)
          else readQuestion(read.pdu)
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedPdu)
        }
      }),
    )
  })
})
