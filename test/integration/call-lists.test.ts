import { afterAll, beforeAll, expect, test } from 'vitest'
import { readCallList } from '../support/call-lists.ts'
import { Core } from '../support/core.ts'
import { provision, subscriber } from '../support/subscribers.ts'

let core: Core

beforeAll(async () => {
  core = await Core.start()
  for (const user of ['ann', 'bob']) await provision(core.port('provisioning'), subscriber(user))
})
afterAll(() => core[Symbol.asyncDispose]())

test('a subscriber without calls reads an empty list', async () => {
  expect(await readCallList(core.port('memento'), subscriber('ann'))).toEqual({
    status: 200,
    type: 'application/vnd.projectclearwater.call-list+xml',
    body: '<call-list><calls></calls></call-list>',
  })
})

test('a wrong password, and the list of another, are refused', async () => {
  const guess = { ...subscriber('ann'), password: 'guess' }
  expect((await readCallList(core.port('memento'), guess)).status).toBe(403)
  const nosy = await readCallList(core.port('memento'), subscriber('ann'), 'sip:bob@ims.test')
  expect(nosy.status).toBe(404)
})

test('its health is that of the core, and it tells its figures', async () => {
  const at = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${core.port('memento')}${path}`)
  expect((await at('/health')).status).toBe(200)
  expect(await (await at('/metrics')).text()).toMatch(
    /^clearwater_memento_authentications_total\{outcome="failures"\} \d+$/m,
  )
})
