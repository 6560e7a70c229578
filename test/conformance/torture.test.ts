import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseSip } from '../../lib/sip/parse.ts'
import { RFC4475_CASES } from './rfc4475/cases.ts'
import { RFC5118_CASES } from './rfc5118/cases.ts'
import { loadCase, type TortureCase } from './torture.ts'

const suites: readonly (readonly [string, number, readonly TortureCase[]])[] = [
  ['rfc4475', 49, RFC4475_CASES],
  ['rfc5118', 12, RFC5118_CASES],
]

describe.each(suites)('the table of %s', (folder, count, cases) => {
  test('has a row for each message of the RFC, and a file for each row', () => {
    const files = readdirSync(new URL(folder, import.meta.url)).filter(name => name.endsWith('.dat'))
    expect(cases).toHaveLength(count)
    expect(cases.map(row => row.file).sort()).toEqual(files.map(name => `${folder}/${name}`).sort())
  })

  test('its files have the line ends of the wire', () => {
    for (const { file } of cases) {
      const text = loadCase(file).toString('latin1')
      const head = text.slice(0, text.indexOf('\r\n\r\n'))
      expect(head, file).not.toMatch(/[^\r]\n|\r[^\n]/)
    }
  })
})

describe('the parser', () => {
  test.each([...RFC4475_CASES, ...RFC5118_CASES])('$section $title: $parse', row => {
    const result = parseSip(loadCase(row.file).toString('latin1'))

    expect(result.ok ? 'message' : 'refused').toBe(row.parse)

    const status = row.expect.find(outcome => typeof outcome === 'number')
    if (result.ok) expect(result.message.kind).toBe(row.start)
    else if (row.start === 'response') expect(result.answerable).toBeUndefined()
    else if (row.expect[0] !== 'dropped' && !row.expect.includes('dropped')) {
      expect(result.status).toBe(status)
      expect(result.answerable).toBeDefined()
    }
  })
})
