import { describe, expect, test } from 'vitest'
import { chooseSurvivor, type VoterState } from './recover-etcd.ts'

const voter = (node: string, revision?: number): VoterState => ({
  ...{ node, address: '192.0.2.1' },
  ...(revision === undefined
    ? { state: 'unreachable', why: `${node} cannot be reached` }
    : { state: 'has data', revision }),
})
const choose = (voters: readonly VoterState[], wanted?: string) =>
  chooseSurvivor({ serves: false, voters }, wanted).node

describe('what etcd goes on from', () => {
  test('is the newest copy, or the one that is asked for', () => {
    const voters = [voter('a', 10), voter('b', 12), voter('c'), voter('d'), voter('e')]

    expect(choose(voters)).toBe('b')
    expect(choose(voters, 'a')).toBe('a')
    expect(() => choose(voters, 'c')).toThrow('c has no copy of etcd to go on from')
  })

  test('is nothing as long as most members only have to be started', () => {
    expect(() => choose([voter('a', 10), voter('b', 12), voter('c')])).toThrow('etcd is not lost')
  })

  test('is nothing where there is no copy', () => {
    expect(() => choose([voter('a'), voter('b'), voter('c')])).toThrow('no member of etcd has its data')
  })
})
