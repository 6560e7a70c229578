import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeHomesteadProv } from '../../testing/fake-homestead-prov.ts'
import { ProvisioningClient } from '../users/provisioning-client.ts'
import { creationTime, LEFTOVER_AFTER_MS, TemporarySubscribers } from './temporary-subscribers.ts'

const START = Date.UTC(2026, 6, 30, 10, 15, 0)

let prov: FakeHomesteadProv
let client: ProvisioningClient

beforeEach(async () => {
  prov = await FakeHomesteadProv.start()
  const [host = '', port] = prov.address.split(':')
  client = await ProvisioningClient.open({ host, port: Number(port) })
})
afterEach(async () => {
  await client.close()
  await prov[Symbol.asyncDispose]()
})

const at = (ms: number): TemporarySubscribers =>
  new TemporarySubscribers(client, 'ims.test', () => START + ms)

describe('temporary subscribers', () => {
  test('have a name that tells when they were made, and a password nobody knows', async () => {
    const subscribers = at(0)
    const [one, other] = [await subscribers.create(), await subscribers.create()]

    expect(one.impu).toMatch(/^sip:cw-verify-20260730T101500Z-[0-9a-f]{8}@ims\.test$/)
    expect(creationTime(one.impu)).toBe(START)
    expect(one.password).not.toBe(other.password)
    expect(prov.publicIds).toEqual([one.impu, other.impu])
    expect(prov.privates.get(one.impi)?.plaintext).toBeUndefined()
  })

  test('leave nothing behind', async () => {
    const subscribers = at(0)
    await subscribers.create()
    await subscribers.create()

    expect(await subscribers.remove()).toEqual([])

    expect([...prov.privates.keys(), ...prov.publicIds, ...prov.sets]).toEqual([])
  })

  test.for([
    ['POST', /^POST \/irs\/.*service_profiles$/],
    ['public id', /^PUT .*public_ids/],
    ['credentials', /^PUT \/private\/cw-verify-/],
    ['association', /^PUT \/private\/cw-verify-.*associated/],
  ] as const)('whose making fails at %s are removed too', async ([, pattern]) => {
    prov.faults.push({ pattern, status: 500 })
    const subscribers = at(0)

    await expect(subscribers.create()).rejects.toMatchObject({ code: 'SERVICE_ERROR' })
    await subscribers.remove()

    expect([...prov.privates.keys(), ...prov.publicIds, ...prov.sets]).toEqual([])
  })

  test('that cannot be removed are named', async () => {
    const subscribers = at(0)
    const made = await subscribers.create()
    prov.faults.push({ pattern: /^DELETE \/irs/, status: 503 })

    expect(await subscribers.remove()).toEqual([made.impu])
  })

  test('of a run that was killed are removed by a later one', async () => {
    await at(0).create()
    await at(0).create()

    expect(await at(LEFTOVER_AFTER_MS).removeLeftovers()).toBe(2)
    expect(prov.publicIds).toEqual([])
    expect([...prov.privates.keys()]).toEqual(['cw-verify@ims.test'])
  })

  test('of a run that may still go on are left alone', async () => {
    const made = await at(0).create()

    expect(await at(LEFTOVER_AFTER_MS - 1).removeLeftovers()).toBe(0)
    expect(prov.publicIds).toEqual([made.impu])
  })

  test('are told from those of the operator', () => {
    expect(creationTime('sip:6505550001@ims.test')).toBeUndefined()
    expect(creationTime('sip:cw-verify-20269999T999999Z-00000000@ims.test')).toBeUndefined()
    expect(creationTime('sip:cw-verify@ims.test')).toBeUndefined()
  })
})
