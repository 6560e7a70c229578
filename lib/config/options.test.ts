import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Option } from './option.ts'
import { findOption, nearestOption, OPTIONS } from './options.ts'
import { LOCAL_OPTIONS } from './options/local.ts'
import { SHARED_OPTIONS } from './options/shared.ts'
import { USER_OPTIONS } from './options/user.ts'
import { validateOption } from './validate.ts'

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8')

describe('the declared options', () => {
  test('have a name of their own each', () => {
    expect(OPTIONS.size).toBe(LOCAL_OPTIONS.length + SHARED_OPTIONS.length + USER_OPTIONS.length)
  })

  test.each([...OPTIONS.values()].filter(option => option.default !== undefined))(
    '$name has a default that validation accepts',
    option => {
      expect(validateOption(option, option.default ?? '')).toBeUndefined()
    },
  )

  test.each([
    ['reg_max_expire', 'reg_max_expires'],
    ['HOME_DOMAIN', 'home_domain'],
    ['sprout_hostnam', 'sprout_hostname'],
    ['something quite different', undefined],
  ])('%s most likely means %s', (typed, meant) => {
    expect(nearestOption(typed)).toBe(meant)
  })

  test('a retired one tells what stands in its place', () => {
    expect(findOption('billing_cdf')?.retired).toBe('it is called cdf_identity')
  })
})

describe('docs/configuration.md', () => {
  test.each([
    ['local_config', LOCAL_OPTIONS],
    ['shared_config', SHARED_OPTIONS],
    ['user_settings', USER_OPTIONS],
  ])('has a row for each option of %s, as it is declared', (file, options) => {
    const table = PAGE.split(`### \`${file}\``)[1]?.split('\n### ')[0] ?? ''

    expect(table.split('\n').filter(line => line.startsWith('| `'))).toEqual(
      options.filter(option => option.retired === undefined).map(rowOf),
    )
  })

  test('names each retired one', () => {
    const retired = [...OPTIONS.values()].filter(option => option.retired !== undefined)

    expect(PAGE.split('\n').filter(line => line.startsWith('- `'))).toEqual(
      retired.map(option => `- \`${option.name}\`: ${option.retired ?? ''}.`),
    )
  })
})

function rowOf({
  name,
  type,
  default: usual,
  derived,
  unit,
  required,
  secret,
  doc,
  usedBy,
  impact,
}: Option): string {
  const value =
    usual === undefined ? (derived ?? (required === true ? 'required' : '')) : `${usual} ${unit ?? ''}`.trim()
  const kind = `${type}${secret === true ? ', secret' : ''}`
  const escaped = [kind, value, doc, usedBy.join(', '), impact].map(cell =>
    cell.replaceAll('|', '\\|').replace(/[^\s,]*<[^\s,]+/g, '`$&`'),
  )
  return `| \`${name}\` | ${escaped.join(' | ')} |`
}
