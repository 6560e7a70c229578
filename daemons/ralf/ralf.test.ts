import { expect, test } from 'vitest'
import { noLog } from '../../lib/kit/log.ts'
import { startRalf } from './ralf.ts'

test('a charging event is refused, not swallowed', async () => {
  const ralf = await startRalf({ log: noLog, bind: '127.0.0.1', port: 0 })
  try {
    const event = await fetch(`http://127.0.0.1:${ralf.port}/call-id/abc`, { method: 'POST', body: '{}' })
    const ping = await fetch(`http://127.0.0.1:${ralf.port}/ping`)

    expect(event.status).toBe(501)
    expect(await ping.text()).toBe('OK')
  } finally {
    await ralf.close()
  }
})
