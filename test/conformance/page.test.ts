import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const PROJECT = join(import.meta.dirname, '..', '..')
const page = readFileSync(join(PROJECT, 'docs', 'conformance.md'), 'utf8')

interface Row {
  readonly specification: string
  readonly state: string
  readonly tests: readonly string[]
}

const rows: readonly Row[] = page
  .split('\n')
  .filter(line => /^\| RFC /.test(line))
  .map(line => {
    const [, specification = '', , state = '', shownBy = ''] = line.split('|').map(cell => cell.trim())
    return { specification, state, tests: [...shownBy.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file) }
  })

/** The manual's review of SIP (§8.48), and what it says of transport and digest elsewhere. */
const OF_THE_MANUAL = `
  2368 2806 3261 3262 3263 3264 3265 3310 3311 3312 3313 3320 3323 3325 3326 3327 3329 3388 3420 3428 3455 3485 3486 3515 3524
  3551 3556 3859 3860 4122 3581 3608 3680 3711 3761 3840 3841 3842 3856 3857 3862 3890 3891 3892 3903 3911 3959 3966 4028 4032 4077 4117
  4119 4168 4235 4240 4320 4354 4411 4412 4457 4458 4483 4488 4538 4566 4567 4568 4575 4583 4585 4662 4694 4769 4896 4964
  4967 4975 5002 5009 5012 5031 5049 5079 5104 5112 5245 5318 5360 5365 5366 5367 5368 5373 5389 5393 5438 5502 5547 5552
  5621 5626 5627 5628 5658 5688 5766 5768 5875 5939 5954 6026 6043 6050 6086 6223 6228 6230 6231 6432 6442 6505 6544 6679
  6809 7989 3319 3361 3603`
  .trim()
  .split(/\s+/)

const PASSING = 'test/integration/passing-through.test.ts'

describe('docs/conformance.md', () => {
  test('speaks of every RFC of the manual', () => {
    const spoken = new Set([...page.matchAll(/RFC (\d+)/g)].map(([, number]) => number))
    expect(OF_THE_MANUAL.filter(number => !spoken.has(number))).toEqual([])
  })

  test('has each specification in one of three states', () => {
    expect(rows.filter(({ state }) => !/^(works|passes through|not yet)\b/.test(state))).toEqual([])
  })

  test('names a test for all that works or passes through', () => {
    expect(rows.filter(({ state, tests }) => !state.startsWith('not yet') && tests.length === 0)).toEqual([])
  })

  test('names tests that are there', () => {
    const named = [...new Set(rows.flatMap(({ tests }) => tests))]
    expect(named.length).toBeGreaterThan(0)
    expect(named.filter(file => !file.endsWith('.test.ts') || !existsSync(join(PROJECT, file)))).toEqual([])
  })

  test('and the test of what passes through speaks of the same specifications', () => {
    const text = readFileSync(join(PROJECT, PASSING), 'utf8')
    const shownThere = rows.filter(({ tests }) => tests.includes(PASSING))
    const numbers = shownThere.flatMap(({ specification }) => specification.split(', '))
    expect(numbers.filter(number => !new RegExp(`${number}\\b`).test(text))).toEqual([])
  })
})
