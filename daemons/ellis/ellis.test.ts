import { expect, test } from 'vitest'
import { noLog } from '../../lib/kit/log.ts'
import { startEllis } from './ellis.ts'

test('the portal says that it is not built yet, and that its host is up', async () => {
  const ellis = await startEllis({ log: noLog, bind: '127.0.0.1', port: 0 })
  try {
    const page = await fetch(`http://127.0.0.1:${ellis.port}/`)
    const ping = await fetch(`http://127.0.0.1:${ellis.port}/ping`)

    expect(page.headers.get('content-type')).toContain('text/html')
    expect(await page.text()).toContain('not built yet')
    expect(await ping.text()).toBe('OK')
  } finally {
    await ellis.close()
  }
})
