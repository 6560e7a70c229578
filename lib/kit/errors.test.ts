import { describe, expect, test } from 'vitest'
import { CwError, EXIT } from './errors.ts'

describe('CwError', () => {
  test('ends a command with the exit code of its kind', () => {
    expect(new CwError('OPTION_INVALID', 'x').exitCode).toBe(EXIT.usage)
    expect(new CwError('SERVICE_UNREACHABLE', 'x').exitCode).toBe(EXIT.unreachable)
    expect(new CwError('SUBSCRIBER_EXISTS', 'x').exitCode).toBe(EXIT.failed)
    expect(new CwError('BUG', 'x').exitCode).toBe(EXIT.bug)
  })
})
