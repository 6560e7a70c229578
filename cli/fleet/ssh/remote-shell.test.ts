import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AfterMarker, loginCommand, programLine, scriptLine } from './remote-shell.ts'

const TOKEN = 'cw0123456789abcdef'

/** Every login shell there is on this machine; a node's user may have any of them. */
const SHELLS = ['sh', 'dash', 'bash', 'zsh', 'fish', 'tcsh', 'csh', 'ksh', 'busybox'].filter(
  shell => spawnSync(shell, ['-c', 'exit 7']).status === 7,
)

/** As sshd does it: the login shell gets the command line, standard input the rest. */
function login(
  shell: string,
  line: string,
  input: Uint8Array | string = '',
  env?: NodeJS.ProcessEnv,
): { code: number | null; out: Buffer } {
  const { status, stdout } = spawnSync(shell, ['-c', loginCommand(TOKEN, false)], {
    input: Buffer.concat([Buffer.from(line), typeof input === 'string' ? Buffer.from(input) : input]),
    ...(env === undefined ? {} : { env }),
  })
  const chunks: Buffer[] = []
  new AfterMarker(TOKEN, chunk => chunks.push(chunk)).push(stdout)
  return { code: status, out: Buffer.concat(chunks) }
}

const printable = fc.string({ unit: 'binary', maxLength: 40 }).map(text => text.replaceAll('\0', ''))
const hostile = fc.constantFrom(
  '',
  "'",
  '"',
  '$(id)',
  '`id`',
  '\n',
  '\\',
  '!!',
  '~',
  '*',
  '-n',
  '\u0081\u0088',
  '%s',
)
const argument = fc.oneof(printable, hostile)

describe.each(SHELLS)('a command sent to a login shell that is %s', shell => {
  test('gets exactly its arguments and its input', () => {
    fc.assert(
      fc.property(fc.array(argument, { maxLength: 5 }), fc.uint8Array(), (args, bytes) => {
        const result = login(
          shell,
          programLine(['sh', '-c', 'printf "%s\\0" "$@"; cat', 'sh', ...args]),
          bytes,
        )
        const given = args.length === 0 ? '\0' : args.map(each => `${each}\0`).join('')
        expect(result.out.toString('latin1')).toBe(
          Buffer.concat([Buffer.from(given.toWellFormed()), bytes]).toString('latin1'),
        )
        expect(result.code).toBe(0)
      }),
      { numRuns: 60 },
    )
    // Two programs are started for each run, while other tests keep the machine busy.
  }, 90_000)

  test('may be a script of many lines, with arguments and an exit code', () => {
    const script = `# a comment with 'quotes' and "more"\ncat\nprintf '%s|' "$@"\nexit 9\n`
    const result = login(shell, scriptLine(script, ["it's", 'a b']), 'first\n')
    expect(result).toEqual({ code: 9, out: Buffer.from("first\nit's|a b|") })
  })
})

test('a bash in a command does not read the profile of the login', () => {
  const home = mkdtempSync(join(tmpdir(), 'clearwater-profile-'))
  writeFileSync(join(home, '.bashrc'), 'echo Welcome!\n')
  const env = { PATH: process.env.PATH, HOME: home, SSH_CLIENT: '192.0.2.1 1234 22' }
  const { out } = login('bash', scriptLine(`bash -c 'echo answer'`, []), '', env)
  rmSync(home, { recursive: true })

  expect(out.toString()).toBe('answer\n')
})

describe('what a login says before the marker', () => {
  const after = (chunks: readonly Buffer[]): { out: string; noise: string; seen: boolean } => {
    let out = ''
    const filter = new AfterMarker(TOKEN, chunk => (out += chunk.toString()))
    for (const chunk of chunks) filter.push(chunk)
    return { out, noise: filter.noise, seen: filter.seen }
  }

  test('is dropped, however the bytes are cut', () => {
    const all = Buffer.from(`Welcome to ${TOKEN}!\n\n${TOKEN}\nresult\n${TOKEN}\n`)
    for (let cut = 0; cut <= all.length; cut++) {
      expect(after([all.subarray(0, cut), all.subarray(cut)])).toEqual({
        out: `result\n${TOKEN}\n`,
        noise: `Welcome to ${TOKEN}!\n`,
        seen: true,
      })
    }
  })

  test('is kept to a bound when the marker does not come', () => {
    const result = after(Array.from({ length: 100 }, () => Buffer.alloc(10_000, 'x')))
    expect(result.seen).toBe(false)
    expect(result.noise.length).toBe(16 * 1024)
  })
})
