import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { Placement, replicasOf, VBUCKETS, vbucketOf } from './placement.ts'

const servers = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `10.0.0.${index}:11211`)

describe('placement', () => {
  test('a key is in the vbucket of the low seven bits of its hash', () => {
    const digest = createHash('md5').update('reg\\\\sip:6505550001@example.com').digest()

    expect(vbucketOf('reg\\\\sip:6505550001@example.com')).toBe(digest.readUInt32LE(0) & 0x7f)
  })

  test.each([1, 2, 3, 4, 7, 16])('%d servers have two copies of everything, and equal shares', count => {
    const replicas = replicasOf(servers(count))

    expect(replicas).toHaveLength(VBUCKETS)
    const shares = new Map<string, number>()
    for (const each of replicas) {
      expect(new Set(each).size).toBe(Math.min(2, count))
      shares.set(each[0] ?? '', (shares.get(each[0] ?? '') ?? 0) + 1)
    }
    expect(shares.size).toBe(count)
    expect(Math.max(...shares.values()) - Math.min(...shares.values())).toBeLessThanOrEqual(VBUCKETS / count)
  })

  test('the ring of two and of three is that of the original', () => {
    const [a, b, c] = servers(3)

    // The second server takes the even slots of the first one, counted in what is left of them.
    const two = replicasOf(servers(2)).map(each => each[0])
    expect(two.slice(0, 6)).toEqual([b, a, b, a, b, a])
    const three = replicasOf(servers(3)).map(each => each[0])
    expect(three.filter(each => each === c)).toHaveLength(42)
    expect(three.filter(each => each === a || each === b)).toHaveLength(86)
  })

  test('one server more moves little', () => {
    const before = replicasOf(servers(3))
    const after = replicasOf(servers(4))
    const moved = before.filter((each, bucket) => each[0] !== after[bucket]?.[0])

    expect(moved.length).toBeLessThanOrEqual(Math.ceil(VBUCKETS / 4))
  })

  test('while the cluster changes, the present primary decides, and the coming servers are told', () => {
    const placement = new Placement({ servers: servers(2), newServers: servers(3) })
    const next = replicasOf(servers(3))
    const now = replicasOf(servers(2))

    for (let bucket = 0; bucket < VBUCKETS; bucket++) {
      const all = placement.serversOf(bucket)
      expect(all[0]).toBe(now[bucket]?.[0])
      expect(all).toEqual(expect.arrayContaining([...(next[bucket] ?? []), ...(now[bucket] ?? [])]))
      expect(new Set(all).size).toBe(all.length)
    }
  })
})
