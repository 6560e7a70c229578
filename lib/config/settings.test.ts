import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DEFAULT_SETTINGS, SETTINGS } from './settings.ts'

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8')

test('docs/configuration.md has a row for each setting, with its default and what it does', () => {
  const rows = Object.values(SETTINGS).map(({ name, default: usual, unit, doc }) => {
    const value = typeof usual === 'boolean' ? (usual ? 'yes' : 'no') : `${usual} ${unit ?? ''}`.trim()
    return `| \`${name}\` | ${value} | ${doc} |`
  })

  expect(PAGE.split('\n').filter(line => /^\| `[a-z_]+` \|/.test(line))).toEqual(rows)
})

test('without a word from the operator every setting has its default', () => {
  expect(DEFAULT_SETTINGS).toMatchObject({
    regMaxExpires: 300,
    sessionExpires: 600,
    nonceCountSupported: false,
  })
})
