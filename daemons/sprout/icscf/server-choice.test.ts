import { describe, expect, test } from 'vitest'
import { chooseScscf } from './server-choice.ts'

const NONE: ReadonlySet<string> = new Set()
const entry = (server: string, capabilities: number[], priority = 0, weight = 100) => ({
  server,
  capabilities,
  priority,
  weight,
})

describe('the choice of an S-CSCF (sip.md §4.3)', () => {
  const all = [entry('plain', []), entry('one', [1]), entry('both', [1, 2]), entry('late', [1, 2, 3], 1)]
  const choose = (mandatory: number[], optional: number[] = [], tried = NONE) =>
    chooseScscf(
      all,
      { resultCode: 2001, mandatoryCapabilities: mandatory, optionalCapabilities: optional },
      tried,
      () => 0,
    )

  test.for([
    ['all that is mandatory', [1, 2], [], 'both'],
    ['as much as can be of what is optional', [1], [2, 3], 'late'],
    ['the lowest priority among equals', [1, 2], [], 'both'],
    ['nobody can', [9], [], undefined],
  ] as const)('%s', ([_what, mandatory, optional, server]) => {
    expect(choose([...mandatory], [...optional])).toBe(server)
  })

  test('each is tried once', () => {
    expect(choose([1, 2], [], new Set(['both']))).toBe('late')
    expect(choose([1, 2], [], new Set(['both', 'late']))).toBeUndefined()
  })

  test('nobody, where it is not known what is needed', () => {
    expect(chooseScscf(all, { resultCode: 2001 }, NONE)).toBeUndefined()
  })

  test('by weight among equals', () => {
    const equal = [entry('a', [], 0, 1), entry('b', [], 0, 3), entry('never', [], 0, 0)]
    const at = (random: number) =>
      chooseScscf(equal, { resultCode: 2001, mandatoryCapabilities: [] }, NONE, () => random)

    expect([0, 0.24, 0.26, 0.99].map(at)).toEqual(['a', 'a', 'b', 'b'])
    const idle = [entry('x', [], 0, 0)]
    expect(chooseScscf(idle, { resultCode: 2001, mandatoryCapabilities: [] }, NONE)).toBe('x')
  })
})
