import { describe, expect, test } from 'vitest'
import { parseCassandraCluster } from './cluster-file.ts'

const parse = (text: string): unknown => parseCassandraCluster(text, 'cassandra_cluster')

describe('cassandra_cluster', () => {
  test('names cluster, site and nodes, of either family', () => {
    expect(parse('# by cw\ncluster=clearwater-one\n\nsite = east\nnodes=10.0.0.1,2001:db8::2\n')).toEqual({
      clusterName: 'clearwater-one',
      site: 'east',
      contactPoints: ['10.0.0.1:9042', '[2001:db8::2]:9042'],
    })
  })

  test.each([
    ['', undefined],
    ['cluster=a\nsite=b\nnodes=\n', undefined],
    ['cluster=a\nnodes=10.0.0.1\n', undefined],
    ['cluster=a\nseite=b\nnodes=10.0.0.1\n', 2],
    ['nonsense', 1],
  ])('%j is refused', (text, line) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({
        code: 'FILE_INVALID',
        detail: expect.objectContaining({
          where: { file: 'cassandra_cluster', ...(line === undefined ? {} : { line }) },
        }) as unknown,
      }) as Error,
    )
  })
})
