import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { CwError, ERROR_CODES, EXIT, type ErrorCode } from './errors.ts'

const docs = (page: string): string =>
  readFileSync(join(import.meta.dirname, '..', '..', 'docs', page), 'utf8')

const codes = Object.keys(ERROR_CODES) as ErrorCode[]

describe('error codes', () => {
  const rows = [...docs('errors.md').matchAll(/^\| `([A-Z_]+)` \| (\w+) \| (\d+) \| \S/gm)]

  test('are all documented, with who erred and the exit code, and no other is', () => {
    const documented = rows.map(([, code, fault, exit]) => ({ code, fault, exit: Number(exit) }))
    const known = codes.map(code => ({
      code,
      fault: ERROR_CODES[code],
      exit: new CwError(code, '').exitCode,
    }))
    const byCode = (a: { code?: string | undefined }, b: { code?: string | undefined }): number =>
      (a.code ?? '').localeCompare(b.code ?? '')
    expect(documented.sort(byCode)).toEqual(known.sort(byCode))
  })

  test('end a command with an exit code that is documented', () => {
    const documented = [...docs('cli.md').matchAll(/^\| (\d+) \| /gm)].map(([, exit]) => Number(exit))
    expect(documented).toEqual(Object.values(EXIT))
  })
})
