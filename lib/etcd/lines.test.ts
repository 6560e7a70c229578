import { describe, expect, test } from 'vitest'
import { linesOf } from './lines.ts'

async function read(pieces: readonly string[], maxBytes = 100): Promise<readonly string[]> {
  const lines: string[] = []
  for await (const line of linesOf(bytesOf(pieces), maxBytes)) lines.push(line)
  return lines
}

async function* bytesOf(pieces: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece, 'latin1')
}

describe('lines of a stream', () => {
  const text = Buffer.from('one\n\nтри\nfour').toString('latin1')

  test('are the same however it is cut', async () => {
    for (let first = 0; first <= text.length; first++) {
      for (let second = first; second <= text.length; second++) {
        const pieces = [text.slice(0, first), text.slice(first, second), text.slice(second)]
        expect(await read(pieces)).toEqual(['one', '', 'три'])
      }
    }
  })

  test('a line without end is given up before it fills the memory', async () => {
    await expect(read(['x'.repeat(60), 'x'.repeat(60)])).rejects.toThrow('more than 100 bytes')
    expect(await read(['x'.repeat(60), '\n', 'x'.repeat(60), '\n'])).toHaveLength(2)
  })
})
