import { describe, expect, test } from 'vitest'
import { CwError } from '../../../lib/kit/errors.ts'
import { ETCD_DATA_MEMBER, MEMBERSHIP } from '../../fleet/actions/etcd-member.ts'
import type { Observed } from '../../fleet/plan.ts'
import { Facts } from '../../fleet/playbook/facts.ts'
import { emptyManifest } from '../../fleet/playbook/manifest.ts'
import { probeKey } from '../../fleet/playbook/probe.ts'
import { etcdViewOf } from './etcd-view.ts'

const VOTERS = ['a', 'b', 'c'].map((name, index) => ({ name, address: `10.0.0.${index + 1}`, roles: [] }))
const SERVED = { 'clearwater-etcd.service': 'x' }
const MEMBER = 'ETCD_INITIAL_CLUSTER=10-0-0-1=https://10.0.0.1:2380\n'

/** A voter as it looks: with data or without, with its place in the cluster or without. */
function voter(
  name: string,
  { data, membership = data ? MEMBER : undefined, units = data ? SERVED : {} }: Look = { data: false },
): Observed {
  const node = VOTERS.find(each => each.name === name)
  if (node === undefined) throw new TypeError(name)
  const coded = membership === undefined ? [] : ['content', Buffer.from(membership).toString('base64')]
  const answers = new Map([
    [
      probeKey({ ask: 'path', subject: ETCD_DATA_MEMBER }),
      data ? ['directory', '700', 'etcd:etcd'] : ['absent'],
    ],
    [probeKey({ ask: 'content', subject: MEMBERSHIP }), coded],
  ])
  const facts = new Facts({ os: 'debian', osVersion: '12', machine: 'x86_64' }, answers)
  return { node, facts, manifest: { ...emptyManifest('lab'), units } }
}

interface Look {
  readonly data: boolean
  readonly membership?: string | undefined
  readonly units?: Readonly<Record<string, string>>
}

describe('the etcd of a deployment', () => {
  const silent = (): Promise<never> => Promise.reject(new CwError('ETCD_UNAVAILABLE', 'no majority'))
  const view = (...seen: readonly Observed[]) => etcdViewOf(seen, VOTERS, ['site1'], silent)

  test('is to be founded where there is nothing of it', async () => {
    expect(await view(voter('a'), voter('b'), voter('c'))).toEqual({ state: 'none' })
  })

  test('is being founded while most founders have never run', async () => {
    const begun = { data: true, units: {} }
    expect(await view(voter('a', begun), voter('b'), voter('c'))).toEqual({ state: 'founding' })
  })

  test('is started again where each member has what it had', async () => {
    const all = VOTERS.map(({ name }) => voter(name, { data: true }))
    expect(await view(...all)).toEqual({ state: 'founding' })
  })

  test('is lost where it has served and most of its members have no data any more', async () => {
    expect(await view(voter('a', { data: true }), voter('b'), voter('c'))).toEqual({
      state: 'lost',
      emptied: ['b', 'c'],
      left: ['a'],
    })
  })

  test('is down where members with data may come back, and is not founded beside them', async () => {
    const one = { data: true }
    expect(await view(voter('a', one), voter('b', one), voter('c'))).toMatchObject({ state: 'down' })
    expect(await view(voter('a', one))).toMatchObject({ state: 'down' })
    const others = { data: false, units: { 'clearwater-config-manager.service': 'x' } }
    expect(await view(voter('b', others), voter('c'))).toMatchObject({ state: 'down' })
  })

  test('is not gone on with where it was founded without TLS', async () => {
    const plain = { data: true, membership: MEMBER.replace('https', 'http') }
    await expect(view(voter('a', plain))).rejects.toMatchObject({
      code: 'ETCD_UNAVAILABLE',
      message: expect.stringContaining('without TLS') as string,
    })
  })

  test('serves with its members, the configuration of each site and the nodes of its clusters', async () => {
    const client = {
      members: () => Promise.resolve([]),
      get: (key: string) => Promise.resolve({ key, value: Buffer.from(`of ${key}`), revision: 1, lease: '' }),
    }
    const seen = [voter('a', { data: true })]
    const found = await etcdViewOf(seen, VOTERS, ['site1'], () => Promise.resolve(client as never))
    expect(found).toEqual({
      state: 'healthy',
      members: [],
      values: new Map(
        [
          '/clearwater/site1/configuration/shared_config',
          '/clearwater/site1/sprout/clustering/memcached',
          '/clearwater/site1/sprout/clustering/chronos',
        ].map(key => [key, `of ${key}`]),
      ),
    })
  })
})
