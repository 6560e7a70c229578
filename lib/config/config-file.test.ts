import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { formatConfigFile, parseConfigFile } from './config-file.ts'

const FOLDER = mkdtempSync(join(tmpdir(), 'cw-config-'))
afterAll(() => {
  rmSync(FOLDER, { recursive: true })
})

/** What a shell makes of a file, value by value. */
function sourced(text: string, names: readonly string[], shell = 'sh'): ReadonlyMap<string, string> {
  const file = join(FOLDER, 'config')
  writeFileSync(file, text)
  const print = names.map(name => `printf '%s\\0' "$${name}"`).join('\n')
  const output = execFileSync(shell, ['-c', `. "$1"\n${print}`, shell, file], {
    encoding: 'utf8',
    env: { SHLVL: '1' },
  })
  const values = output.split('\0')
  return new Map(names.map((name, index) => [name, values[index] ?? '']))
}

const name = fc.stringMatching(/^cw_[a-z0-9_]{1,12}$/)
const hostile = fc.constantFrom(
  "'",
  '"',
  '`',
  '$',
  '$(touch /tmp/x)',
  '${HOME}',
  '\\',
  '\n',
  '\r\n',
  '#',
  ' ',
  '\t',
  ';',
  '&',
  '|',
  '~',
  '*',
  '!',
  '=',
  '<(',
  '\u0001',
  'ä',
  '😀',
)
const value = fc
  .array(fc.oneof(hostile, fc.string({ unit: 'binary' })), { maxLength: 8 })
  .map(parts => parts.join('').replaceAll('\0', ''))
const values = fc
  .uniqueArray(fc.tuple(name, value), { selector: ([each]) => each, maxLength: 12 })
  .map(pairs => new Map(pairs))

describe('formatConfigFile', () => {
  test('is read back to the same values', () => {
    fc.assert(
      fc.property(values, given => {
        const { values: read, faults } = parseConfigFile(formatConfigFile(given, ['$(a)', 'b\nc=d']))
        expect({ read, faults }).toEqual({ read: given, faults: [] })
      }),
    )
  })

  test.each(['sh', 'bash'])('gives %s the same bytes when it sources the file', shell => {
    fc.assert(
      fc.property(values, given => {
        expect(sourced(formatConfigFile(given), [...given.keys()], shell)).toEqual(given)
      }),
      { numRuns: 40 },
    )
  })

  test('leaves plain values as the manual writes them', () => {
    const given = new Map([
      ['home_domain', 'example.com'],
      ['hs_hostname', 'hs.example.com:8888'],
      ['signup_key', "it's $5"],
    ])

    expect(formatConfigFile(given, ['Written by cw'])).toBe(
      "# Written by cw\nhome_domain=example.com\nhs_hostname=hs.example.com:8888\nsignup_key='it'\\''s $5'\n",
    )
  })

  test.each([['a b'], ['a;b'], ['1a'], ['']])('refuses the name "%s"', bad => {
    expect(() => formatConfigFile(new Map([[bad, 'x']]))).toThrow(TypeError)
  })
})

describe('parseConfigFile', () => {
  test.each([
    ['a=1', '1'],
    ['a="1 2"', '1 2'],
    ["a='$b'", '$b'],
    ['a=x"y"\'z\'', 'xyz'],
    ['a=1 # one', '1'],
    ['a=1#one', '1#one'],
    ['  export a=1', '1'],
    ['a=', ''],
    ['a="x\\"y\\$z\\q"', 'x"y$z\\q'],
    ['a=x\\ y', 'x y'],
    ['a=x\\\ny', 'xy'],
    ['a="x\ny"', 'x\ny'],
    ['a=5$', '5$'],
    ['a="5$"', '5$'],
    ['b=1; ', undefined],
    ['b=1\na=$b.${b}', '1.1'],
    ["b='$(x)'\na=$b", '$(x)'],
    ['a=sip:x;transport', undefined],
    ['a=1\na=2', '2'],
    ['a=[x]*?{y,z}!', '[x]*?{y,z}!'],
  ])('%j gives %j, as in a shell', (text, expected) => {
    expect(parseConfigFile(text).values.get('a')).toBe(expected)
    if (expected !== undefined) expect(sourced(text, ['a']).get('a')).toBe(expected)
  })

  test.each([
    ['a=$(id)', 1, 3, 'only $name'],
    ['a=1\nb=`id`', 2, 3, 'commands are not run'],
    ['a="`id`"', 1, 4, 'commands are not run'],
    ['a="$(id)"', 1, 4, 'only $name'],
    ['a=${b:-c}', 1, 3, 'only $name'],
    ['a=1 reboot', 1, 5, 'after the value'],
    ['a=1;reboot', 1, 4, 'needs quotes'],
    ['a=1>/etc/passwd', 1, 4, 'needs quotes'],
    ['reboot', 1, 1, 'no assignment'],
    ['a = 1', 1, 1, 'no assignment'],
    ['\n a="1\n2', 2, 4, 'never closed'],
    ["a='1", 1, 3, 'never closed'],
    ['a=1\r\n', 1, 4, 'carriage return'],
    ['a=~/x', 1, 3, 'home folder'],
    ['\r\n', 1, 1, 'carriage return'],
  ])('%j is a fault on line %i, column %i', (text, line, column, message) => {
    const { faults, values: read } = parseConfigFile(text)

    expect(faults[0]).toMatchObject({ severity: 'error', line, column })
    expect(faults[0]?.message).toContain(message)
    expect(read.get(line === 2 && column === 3 ? 'b' : 'a')).toBeUndefined()
  })

  test('goes on after a fault and tells all of them', () => {
    const { faults, values: read } = parseConfigFile('a=$(x)\nb=2\nc=`x`\nd=4\n')

    expect(faults.map(fault => fault.line)).toEqual([1, 3])
    expect([...read]).toEqual([
      ['b', '2'],
      ['d', '4'],
    ])
  })

  test('tells of a name that is set twice, and of one that is not set', () => {
    expect(parseConfigFile('a=1\na=2\nb=$c').faults).toMatchObject([
      { severity: 'warning', line: 2, key: 'a' },
      { severity: 'warning', line: 3, column: 3, key: 'c' },
    ])
    expect(parseConfigFile('b=$c', new Map([['c', '7']]))).toMatchObject({
      faults: [],
      values: new Map([['b', '7']]),
    })
  })

  test('a short file cannot stand for a huge one', () => {
    const doubling = Array.from({ length: 200 }, (_, i) => `a${i + 1}=$a${i}$a${i}`).join('\n')

    expect(parseConfigFile(`a0=xxxxxxxxxx\n${doubling}`).faults[0]?.message).toContain('expands to more')
    expect(parseConfigFile('#'.repeat(1_000_001)).faults[0]?.message).toContain('larger than')
  })

  test('never throws, and never differs from the shell where it finds no fault', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(hostile, fc.constantFrom('a=', 'b', '\n', '1', '$a', '${a}')), { maxLength: 12 }),
        parts => {
          const text = `a=1\n${parts.join('')}\n`
          const { values: read, faults } = parseConfigFile(text)
          if (faults.length > 0) return
          expect(sourced(text, [...read.keys()])).toEqual(read)
        },
      ),
      { numRuns: 300 },
    )
  })
})

test.each(['signup_key=one hunter2', 'export signup_key = hunter2', 'signup_key=one$hunter2'])(
  'a fault does not quote what may be a secret: %s',
  text => {
    const { faults } = parseConfigFile(text)

    expect(faults).toHaveLength(1)
    expect(JSON.stringify(faults)).not.toContain('hunter2')
  },
)
