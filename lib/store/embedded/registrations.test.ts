import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { seconds, TestClock } from '../../kit/clock.ts'
import { recordUntil } from '../contract/registration-store.ts'
import { openEmbedded, type EmbeddedEnvironment } from './environment.ts'
import { EmbeddedRegistrationStore } from './registrations.ts'

let dir: string
let environment: EmbeddedEnvironment
let clock: TestClock
let store: EmbeddedRegistrationStore

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'cw-reg-'))
  environment = await openEmbedded({ dir })
  clock = new TestClock()
  store = new EmbeddedRegistrationStore(environment, clock)
})

afterEach(async () => {
  store.close()
  await environment.close()
  rmSync(dir, { recursive: true, force: true })
})

async function identities(): Promise<string[]> {
  const impus: string[] = []
  for await (const { key } of store.all()) impus.push(key)
  return impus
}

test('a record that has expired is as if it were not there', async () => {
  await store.put('sip:a@x', recordUntil(clock.now() + 60_000), undefined)
  const version = store.get('sip:a@x')?.version ?? 0

  clock.advance(seconds(71))

  expect(store.get('sip:a@x')).toBeUndefined()
  expect(await store.remove('sip:a@x', version)).toBe('conflict')
  expect(await store.put('sip:a@x', recordUntil(clock.now() + 60_000), undefined)).toBe('stored')
})

test('a sweep removes the dead, keeps the living, and goes on beyond one slice', async () => {
  await Promise.all(
    Array.from({ length: 900 }, (_, i) => {
      const record = recordUntil(clock.now() + (i % 3 === 0 ? 600_000 : 60_000))
      return store.put(`sip:${i}@x`, record, undefined)
    }),
  )

  clock.advance(seconds(100))

  expect(await store.sweep()).toBe(600)
  expect(await store.sweep()).toBe(0)
  expect(await identities()).toHaveLength(300)
})

test('all records are listed once, also those not committed yet', async () => {
  for (let i = 0; i < 450; i++) void store.put(`sip:${i}@x`, recordUntil(clock.now() + 60_000), undefined)

  const impus = await identities()

  expect(impus).toHaveLength(450)
  expect(new Set(impus).size).toBe(450)
})
