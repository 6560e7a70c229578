import { describe, expect, test } from 'vitest'
import { matchesWildcard } from './wildcard.ts'

describe('a wildcarded identity (TS 23.003 §13.5)', () => {
  test.for([
    ['sip:chat-!.*!@example.com', 'sip:chat-7@example.com', true],
    ['sip:chat-!.*!@example.com', 'sip:chat-@example.com', true],
    ['sip:chat-!.*!@EXAMPLE.com', 'sip:chat-7@example.com', true],
    ['sip:chat-!.*!@example.com', 'sip:chat-7@example.org', false],
    ['sip:chat-!.*!@example.com', 'sip:chit-7@example.com', false],
    ['tel:+1650555!\\d{4}!', 'tel:+16505551234', true],
    ['tel:+1650555!\\d{4}!', 'tel:+165055512345', false],
    ['tel:+1650555!\\d{2}|\\d{4}!', 'tel:+165055512', true],
    ['tel:+1650555!\\d{2}|\\d{4}!', 'tel:+1650555123', false],
    ['sip:a!b!c!@example.com', 'sip:ab!c@example.com', true],
    ['sip:aa!a*!aa@example.com', 'sip:aaa@example.com', false],
  ] as const)('%s, %s: %s', ([wildcard, impu, stands]) => {
    expect(matchesWildcard(wildcard, impu)).toBe(stands)
  })

  test.for(['sip:all@example.com', 'sip:a!b@example.com', 'sip:!(!@example.com', 'sip:!(?=a)!@example.com'])(
    'that cannot be used stands for nobody: %s',
    wildcard => {
      expect(matchesWildcard(wildcard, 'sip:a@example.com')).toBe(false)
      expect(matchesWildcard(wildcard, wildcard)).toBe(false)
    },
  )

  test('costs little, however it is written', () => {
    expect(matchesWildcard('sip:!(a+)+b!@example.com', `sip:${'a'.repeat(8000)}@example.com`)).toBe(false)
  })
})
