import { createReadStream } from 'node:fs'

/** How far a file has been read: whole lines only. */
export interface Position {
  readonly bytes: number
  readonly lines: number
}

export const START: Position = { bytes: 0, lines: 0 }

export interface Line {
  /** Without its end; undefined if it is longer than allowed. */
  readonly text: string | undefined
  /** Behind the line, and how many lines there are up to here. */
  readonly end: Position
}

const NEWLINE = 0x0a

/** Reads a file line by line with the exact place of each, holding no more than one line. */
export async function* linesOf(file: string, from: Position, longest: number): AsyncGenerator<Line, void> {
  let { bytes, lines } = from
  let parts: Buffer[] = []
  let length = 0
  const take = (part: Buffer): void => {
    length += part.length
    if (length <= longest) parts.push(part)
  }
  const finish = (ended: number): Line => {
    bytes += length + ended
    lines++
    const text = length <= longest ? Buffer.concat(parts).toString('utf8').replace(/\r$/, '') : undefined
    parts = []
    length = 0
    return { text: lines === 1 ? text?.replace(/^\uFEFF/, '') : text, end: { bytes, lines } }
  }
  for await (const chunk of createReadStream(file, { start: from.bytes }) as AsyncIterable<Buffer>) {
    let start = 0
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, start)) {
      take(chunk.subarray(start, at))
      yield finish(1)
      start = at + 1
    }
    if (start < chunk.length) take(chunk.subarray(start))
  }
  if (length > 0) yield finish(0)
}
