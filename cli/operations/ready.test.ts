import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { FakeHomesteadProv } from '../testing/fake-homestead-prov.ts'
import { readyCheck } from './ready.ts'

describe('the ready check', () => {
  test('passes once SIP and HTTP have answered', async () => {
    await using prov = await FakeHomesteadProv.start()
    const sip = createSocket('udp4').bind(0, '127.0.0.1')
    await once(sip, 'listening')
    // The first request is lost, as happens.
    let seen = 0
    sip.on('message', (data, from) => {
      if (++seen === 1) return
      const [, ...headers] = data.toString().split('\r\n')
      sip.send(['SIP/2.0 200 OK', ...headers].join('\r\n'), from.port, from.address)
    })
    await readyCheck(
      [
        { name: 'bono', kind: 'sip', host: '127.0.0.1', port: sip.address().port },
        { name: 'homestead-prov', kind: 'http', host: '127.0.0.1', port: Number(prov.address.split(':')[1]) },
      ],
      20_000,
    )
    sip.close()
    expect(seen).toBe(2)
  })

  test('names each that did not answer, and why', async () => {
    await using prov = await FakeHomesteadProv.start()
    prov.faults.push({ pattern: /ping/, status: 500 })
    const port = Number(prov.address.split(':')[1])
    const doors = [
      { name: 'homer', kind: 'http', host: '127.0.0.1', port },
      { name: 'sprout', kind: 'sip', host: '127.0.0.1', port: 1 },
    ] as const
    await expect(readyCheck(doors, 0)).rejects.toMatchObject({
      code: 'NOT_READY',
      detail: { why: `homer (127.0.0.1:${port}) answers 500; sprout (127.0.0.1:1) does not answer` },
    })
  })
})
