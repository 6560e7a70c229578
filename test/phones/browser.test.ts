import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Core } from '../support/core.ts'
import { provision, subscriber } from '../support/subscribers.ts'
import { PhoneBrowser, type BrowserPhone } from './browser.ts'

let core: Core
let browser: PhoneBrowser
let carol: BrowserPhone
let dave: BrowserPhone

beforeAll(async () => {
  core = await Core.start()
  for (const user of ['carol', 'dave']) await provision(core.port('provisioning'), subscriber(user))
  browser = await PhoneBrowser.start()
  carol = await browser.phone(subscriber('carol'))
  dave = await browser.phone(subscriber('dave'))
})
afterAll(async () => {
  await browser[Symbol.asyncDispose]()
  await core[Symbol.asyncDispose]()
})

describe('two JsSIP pages in Chromium over WebSocket', () => {
  test('both register', async () => {
    for (const phone of [carol, dave]) {
      await phone.register(core.port('webSocket'))
      await phone.reaches('registered', state => state.registration !== 'none')
      expect(await phone.state()).toMatchObject({ registration: 'registered', cause: '' })
    }
  })

  test('carol calls dave: both are connected and voice flows both ways until carol hangs up', async () => {
    await carol.does('call', dave.aor)
    await dave.reaches('called', state => state.call === 'incoming')
    await carol.reaches('ringing', state => state.call === 'ringing')
    await dave.does('answer')

    for (const phone of [carol, dave]) {
      await phone.reaches('in the call', state => state.call === 'confirmed')
      const { bytesReceived } = await phone.reaches('hearing', state => state.bytesReceived > 1000)
      const later = await phone.reaches('hearing more', state => state.bytesReceived > bytesReceived + 1000)
      expect(later).toMatchObject({ call: 'confirmed', remoteTrack: 'live' })
      expect(later.bytesSent).toBeGreaterThan(1000)
    }

    await carol.does('hangUp')
    for (const phone of [carol, dave]) await phone.reaches('out of the call', state => state.call === 'ended')
  })

  test('dave calls carol and carol hangs up', async () => {
    await dave.does('call', carol.aor)
    await carol.reaches('called', state => state.call === 'incoming')
    await carol.does('answer')
    for (const phone of [carol, dave]) await phone.reaches('in the call', state => state.call === 'confirmed')

    await carol.does('hangUp')

    for (const phone of [carol, dave]) await phone.reaches('out of the call', state => state.call === 'ended')
  })

  test('a call that is declined fails at the caller as rejected or busy', async () => {
    await carol.does('call', dave.aor)
    await dave.reaches('called', state => state.call === 'incoming')
    await carol.reaches('ringing', state => state.call === 'ringing')
    await dave.does('hangUp')

    const { cause } = await carol.reaches('refused', state => state.call === 'failed')

    expect(['Busy', 'Rejected', 'Unavailable']).toContain(cause)
  })

  test('a call that is given up stops ringing', async () => {
    await carol.does('call', dave.aor)
    await dave.reaches('called', state => state.call === 'incoming')
    await carol.reaches('ringing', state => state.call === 'ringing')
    await carol.does('hangUp')

    await dave.reaches('left alone', state => state.call === 'failed')
  })

  test('a page that unregisters is not called any more', async () => {
    await dave.does('unregister')
    await dave.reaches('unregistered', state => state.registration === 'none')

    await carol.does('call', dave.aor)

    const { cause } = await carol.reaches('refused', state => state.call === 'failed')
    expect(cause).toBe('Unavailable')
  })
})
