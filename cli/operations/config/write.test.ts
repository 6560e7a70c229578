import { describe, expect, test } from 'vitest'
import type { Change, Condition, EtcdClient } from '../../../lib/etcd/client.ts'
import { unavailable } from '../../../lib/etcd/failure.ts'
import type { KeyValue } from '../../../lib/etcd/key-value.ts'
import { configurationKey } from '../../../lib/etcd/layout.ts'
import type { ConfigurationPlan } from './plan.ts'
import { writeConfiguration } from './write.ts'

const KEY = configurationKey('site1', 'bgcf.json')

/** An etcd in memory whose answers to transactions can get lost. */
class Store {
  readonly keys = new Map<string, KeyValue>()
  revision = 1
  /** What happens to each transaction, in order: after these all go well. */
  fates: ('lost after' | 'lost before')[] = []
  /** Called before each transaction: somebody else. */
  meanwhile: () => void = () => undefined

  set(key: string, value: string): void {
    this.keys.set(key, { key, value: Buffer.from(value), revision: ++this.revision, lease: '' })
  }

  get(key: string): Promise<KeyValue | undefined> {
    return Promise.resolve(this.keys.get(key))
  }

  getLast(prefix: string): Promise<object> {
    const items = [...this.keys.values()].filter(item => item.key.startsWith(prefix))
    return Promise.resolve({ items: items.toSorted((a, b) => b.key.localeCompare(a.key)).slice(0, 1) })
  }

  txn(conditions: readonly Condition[], changes: readonly Change[]): Promise<object> {
    this.meanwhile()
    const fate = this.fates.shift()
    const lost = unavailable([{ origin: 'http://x', kind: 'unknown', reason: 'cut' }], 'once')
    if (fate === 'lost before') return Promise.reject(lost)
    const done = conditions.every(({ key, revision }) => (this.keys.get(key)?.revision ?? 0) === revision)
    for (const change of done ? changes : []) if ('put' in change) this.set(change.put, String(change.value))
    return fate === undefined ? Promise.resolve({ done, revision: this.revision }) : Promise.reject(lost)
  }

  get text(): string | undefined {
    return this.keys.get(KEY)?.value.toString()
  }

  write(): ReturnType<typeof writeConfiguration> {
    const revision = this.keys.get(KEY)?.revision ?? 0
    const plan: ConfigurationPlan = {
      files: [{ site: 'site1', file: 'bgcf.json', before: this.text, revision, after: 'new', changes: [] }],
      nodes: [],
      warnings: [],
    }
    const options = { by: 'me', what: 'test', force: false, now: () => new Date(0) }
    return writeConfiguration(this as unknown as EtcdClient, plan, options)
  }
}

describe('writing a change', () => {
  test('is done though its answer is lost', async () => {
    const store = new Store()
    store.fates = ['lost after']
    const { numbers } = await store.write()
    expect(store.text).toBe('new')
    expect(numbers.get('site1')).toBe(1)
    expect([...store.keys.keys()]).toHaveLength(2)
  })

  test('is sent again where it is certain that it was not done', async () => {
    const store = new Store()
    store.fates = ['lost before', 'lost before']
    await store.write()
    expect(store.text).toBe('new')
    expect([...store.keys.keys()]).toHaveLength(2)
  })

  test('takes the next number when another change, of other files, has taken its own', async () => {
    const store = new Store()
    let others = 2
    store.meanwhile = () => {
      if (others-- > 0)
        store.set(`/clearwater/site1/configuration-history/0000000${2 - others}`, '{"before":{}}')
    }
    expect((await store.write()).numbers.get('site1')).toBe(3)
  })

  test('is refused when somebody else has changed the file meanwhile', async () => {
    const store = new Store()
    store.meanwhile = () => {
      store.set(KEY, 'theirs')
    }
    await expect(store.write()).rejects.toMatchObject({ code: 'CONFIG_CONFLICT' })
    expect(store.text).toBe('theirs')
  })

  test('says when nobody knows whether it was done', async () => {
    const store = new Store()
    store.fates = ['lost after']
    const get = store.get.bind(store)
    store.meanwhile = () => {
      store.get = () => Promise.reject(unavailable([], 'read'))
    }
    await expect(store.write()).rejects.toMatchObject({
      code: 'ETCD_UNAVAILABLE',
      detail: { changed: 'some' },
    })
    store.get = get
  })
})
