import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { CORE_PORTS } from '../../lib/config/ports.ts'
import { callAndHangUp, phoneAt, registeredPhone } from '../support/calls.ts'
import { Core, spawnUp } from '../support/core.ts'
import { freePortOffset } from '../support/ports.ts'
import { statusOf } from '../support/sip-text.ts'
import { provision, subscriber } from '../support/subscribers.ts'
import { TempDir } from '../support/temp-dir.ts'
import { within } from '../support/wait.ts'

describe('two cores on one machine', () => {
  test('know nothing of each other', async () => {
    await using left = await Core.start()
    await using right = await Core.start()
    for (const core of [left, right]) await provision(core.port('provisioning'), subscriber('ann'))
    await provision(left.port('provisioning'), subscriber('bob'))

    await using ann = await registeredPhone(left, 'ann')
    await using bob = await registeredPhone(left, 'bob', 'TCP')
    await callAndHangUp(ann, bob)
    await using otherAnn = await registeredPhone(right, 'ann')
    await using stranger = await phoneAt(right, 'bob')

    expect(statusOf(await stranger.register())).toBe(403)
    const invite = otherAnn.invite('sip:bob@ims.test')
    const answer = await otherAnn.response(invite)
    otherAnn.ack(invite, answer)
    expect(statusOf(answer)).toBe(404)
  })
})

describe('a port that is taken', () => {
  test('by another program over UDP: refused, naming the port', async () => {
    const portOffset = await freePortOffset()
    const port = CORE_PORTS.client + portOffset
    const squatter = createSocket('udp4')
    squatter.bind(port, '127.0.0.1')
    await once(squatter, 'listening')
    try {
      await expectRefusal(portOffset, port)
    } finally {
      squatter.close()
    }
  })

  test.for(Object.entries(CORE_PORTS))(
    '%s by another program over TCP: refused, naming the port',
    async ([, base]) => {
      const portOffset = await freePortOffset()
      const squatter = createServer().listen(base + portOffset, '127.0.0.1')
      await once(squatter, 'listening')
      try {
        await expectRefusal(portOffset, base + portOffset)
      } finally {
        squatter.close()
      }
    },
  )

  test('by another core: refused, and the first goes on', async () => {
    await using core = await Core.start()
    await provision(core.port('provisioning'), subscriber('ann'))

    const said = await expectRefusal(core.portOffset)

    // The one that has the port can be known here: it belongs to the same user.
    expect(said).toContain(`${core.pid}`)
    await using phone = await registeredPhone(core, 'ann')
    expect(phone.received).not.toEqual([])
  })
})

async function expectRefusal(portOffset: number, port?: number): Promise<string> {
  using dir = new TempDir('refused')
  await using child = spawnUp({ portOffset, dataDir: dir.path })
  const exit = await within('cw up to refuse', child.exited)
  const said = child.stdout + child.stderr
  expect(exit.code, said).toBe(1)
  expect(said).toMatch(/in use|taken/i)
  if (port !== undefined) expect(said).toContain(`${port}`)
  expect(said).toContain('--port-offset')
  return said
}
