/** One word of a POSIX shell that means exactly these characters. */
export function quoted(argument: string): string {
  if (argument.includes('\0')) throw new TypeError('an argument of a command holds a NUL character')
  return `'${argument.replaceAll("'", `'\\''`)}'`
}

/** A command line of a POSIX shell that runs exactly this program with these arguments. */
export function commandLine(argv: readonly string[]): string {
  return argv.map(quoted).join(' ')
}

/**
 * A text as one line of printable ASCII, from which `printf %b` makes it again.
 *
 * `read` takes a line from standard input and not a byte more, in every shell, so what follows is left for the command.
 */
export function asOneLine(text: string): string {
  if (text.includes('\0')) throw new TypeError('a script holds a NUL character')
  let line = ''
  for (const byte of Buffer.from(text)) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x5c
    line += plain ? String.fromCharCode(byte) : `\\0${byte.toString(8).padStart(3, '0')}`
  }
  return `${line}\n`
}
