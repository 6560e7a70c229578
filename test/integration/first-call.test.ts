import { expect, test } from 'vitest'
import { callAndHangUp, registeredPhone } from '../support/calls.ts'
import { Core, cw, DOMAIN } from '../support/core.ts'
import { PASSWORD } from '../support/subscribers.ts'

test('a newcomer starts the core, creates two subscribers, and they talk', async () => {
  await using core = await Core.start()
  const numbers = '6505550000..6505550001'

  const created = await cw('user', 'create', numbers, DOMAIN, PASSWORD, '--port-offset', `${core.portOffset}`)
  expect(created, created.stderr).toMatchObject({ code: 0 })
  await using one = await registeredPhone(core, '6505550000')
  await using other = await registeredPhone(core, '6505550001', 'TCP')

  await callAndHangUp(one, other)
  await callAndHangUp(other, one)
  const stopped = await core.stop('SIGTERM')

  expect(stopped, core.log).toEqual({ code: 0, signal: null })
})
