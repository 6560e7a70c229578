import { asOneLine, commandLine } from './quote.ts'

/**
 * How a command reaches a node whatever its user's login shell is (fish, csh…) and says on its own (MOTD, `.bashrc`).
 *
 * The login shell gets a line of fixed text, which all of them read alike, and becomes a POSIX shell by it. This one
 * writes a marker to both outputs, so that everything before is known to be noise, and takes the real script as the
 * first line of standard input: no other user's `ps` shows it, and what follows it is the command's own input.
 *
 * With sudo a second marker comes before, from the user's own shell: who sees only that one knows that sudo refused.
 */
export function loginCommand(token: string, sudo: boolean): string {
  const mark = (name: string): string => `printf "\\n%s\\n" ${name}`
  const receive = `IFS= read -r c; ${mark(token)}; ${mark(token)} >&2; eval "$(printf %b "$c")"`
  if (!sudo) return `exec /bin/sh -c '${receive}'`
  const become = `${mark(shellMarker(token))} >&2; [ "$(id -u)" = 0 ] || set -- sudo -n -- "$@"; exec "$@"`
  return `exec /bin/sh -c '${become}' sh /bin/sh -c '${receive}'`
}

/** What the user's own shell writes to its error output before it asks sudo. */
export function shellMarker(token: string): string {
  return `${token}-shell`
}

/**
 * A login's PATH may lack the folders of administration; messages are in English wherever the node stands. A bash below
 * us that took itself for the first one of an SSH login would read the user's profile, which may print: SHLVL tells it.
 */
const SURROUNDINGS = `unset c
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin LC_ALL=C.UTF-8 SHLVL=1
export PATH LC_ALL SHLVL
umask 022
`

/** The first line of input that makes the node's shell become this program. */
export function programLine(argv: readonly string[]): string {
  return asOneLine(`${SURROUNDINGS}exec ${commandLine(argv)}`)
}

/** The first line of input that makes the node's shell run this script. */
export function scriptLine(text: string, args: readonly string[]): string {
  return asOneLine(`${SURROUNDINGS}set -- ${commandLine(args)}\n${text}`)
}

/** How much noise before the marker is kept, to be shown when the marker does not come. */
const KEPT_NOISE = 16 * 1024

/** Drops what a login says on its own: hands on only what comes after the marker's line. */
export class AfterMarker {
  readonly #marker: Buffer
  readonly #then: (chunk: Buffer) => void
  #before = Buffer.alloc(0)
  #seen = false

  constructor(token: string, then: (chunk: Buffer) => void) {
    this.#marker = Buffer.from(`\n${token}\n`)
    this.#then = then
  }

  get seen(): boolean {
    return this.#seen
  }

  /** What came before the marker, its end if it was long. */
  get noise(): string {
    return this.#before.toString('utf8')
  }

  push(chunk: Buffer): void {
    if (this.#seen) {
      this.#then(chunk)
      return
    }
    const all = Buffer.concat([this.#before, chunk])
    const at = all.indexOf(this.#marker)
    this.#seen = at >= 0
    this.#before = this.#seen ? all.subarray(0, at) : all.subarray(-KEPT_NOISE)
    if (this.#seen && at + this.#marker.length < all.length)
      this.#then(all.subarray(at + this.#marker.length))
  }
}
