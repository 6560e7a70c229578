import { describe, expect, test } from 'vitest'
import { CwError } from '../../lib/kit/errors.ts'
import { errorEnvelope } from './envelope.ts'
import { formatError } from './error-text.ts'

const plain = (_style: unknown, text: string): string => text

describe('an error', () => {
  test('is told in six parts', () => {
    const error = new CwError('FILE_INVALID', 'the file holds no filter criteria', {
      where: { file: 'ifc.xml', line: 7 },
      why: 'its root element is html',
      changed: 'some',
      remedies: ['do this', 'or that'],
    })
    expect(formatError(error, plain)).toBe(
      [
        'error FILE_INVALID: the file holds no filter criteria',
        '  where:   ifc.xml:7',
        '  why:     its root element is html',
        '  changed: some of it was done before this happened',
        '  next:    do this',
        '           or that',
      ].join('\n'),
    )
  })

  test("tells its cause's reason where it has none of its own", () => {
    const error = new CwError('STORE_FAILED', 'the store cannot be opened', { cause: new Error('disk full') })
    expect(formatError(error, plain)).toContain('why:     disk full')
    expect(errorEnvelope(error, []).error?.why).toBe('disk full')
  })

  test('has every part in JSON, known or not', () => {
    expect(errorEnvelope(new CwError('STORE_FAILED', 'x'), ['w'])).toEqual({
      status: 'error',
      error: { code: 'STORE_FAILED', message: 'x', where: {}, why: null, changed: 'nothing', remedies: [] },
      warnings: ['w'],
    })
  })

  test('that is a bug carries a short trace', () => {
    const error = new CwError('BUG', 'x', { cause: new TypeError('y') })
    expect(formatError(error, plain)).toMatch(/trace: {3}at /)
    expect(errorEnvelope(error, []).error?.trace?.length).toBeLessThanOrEqual(6)
  })
})
