/**
 * The lines of a stream, however it is cut into pieces.
 *
 * @throws Error for a line longer than `maxBytes`, before more of it is kept
 */
export async function* linesOf(pieces: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<string> {
  let kept: Uint8Array[] = []
  let length = 0
  for await (const piece of pieces) {
    let rest = piece
    for (let end = rest.indexOf(0x0a); end !== -1; end = rest.indexOf(0x0a)) {
      yield Buffer.concat([...kept, rest.subarray(0, end)]).toString('utf8')
      kept = []
      length = 0
      rest = rest.subarray(end + 1)
    }
    length += rest.length
    if (length > maxBytes) throw new Error(`a line of more than ${maxBytes} bytes`)
    if (rest.length > 0) kept.push(rest)
  }
}
