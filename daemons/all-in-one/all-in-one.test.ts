import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { freePortOffset } from '../../test/support/ports.ts'
import { TempDir } from '../../test/support/temp-dir.ts'
import { CORE_PORTS } from '../../lib/config/ports.ts'
import { startAllInOne, type AllInOneOptions } from './all-in-one.ts'

async function optionsIn(dir: TempDir, bind = '127.0.0.1'): Promise<AllInOneOptions> {
  const portOffset = await freePortOffset()
  return { dataDir: dir.path, domain: 'ims.test', bind, advertise: bind, portOffset, logLevel: 'silent' }
}

test('a start that fails at the last port leaves nothing open, so the next one succeeds', async () => {
  using dir = new TempDir('all-in-one')
  const options = await optionsIn(dir)
  const squatter = createServer().listen(CORE_PORTS.trusted + options.portOffset, '127.0.0.1')
  await once(squatter, 'listening')

  await expect(startAllInOne(options)).rejects.toMatchObject({ code: 'PORT_IN_USE' })
  squatter.close()
  await once(squatter, 'close')

  for (let round = 0; round < 2; round++) {
    const core = await startAllInOne(options)
    await core.close()
  }
})

test('a second core on the same data is refused and leaves the first alone', async () => {
  using dir = new TempDir('all-in-one')
  const core = await startAllInOne(await optionsIn(dir))

  await expect(startAllInOne(await optionsIn(dir))).rejects.toMatchObject({ code: 'DATA_DIR_LOCKED' })

  expect((await fetch(`http://127.0.0.1:${core.ports.homestead}/ping`)).status).toBe(200)
  await core.close()
})

test('homestead and homer tell the health and the SIP counters of the whole core', async () => {
  using dir = new TempDir('all-in-one')
  const core = await startAllInOne(await optionsIn(dir))

  for (const port of [core.ports.homestead, core.ports.homer]) {
    const health = await fetch(`http://127.0.0.1:${port}/health`)
    expect(await health.json()).toMatchObject({
      status: 'ok',
      clients: 0,
      openRequests: { bono: 0, sprout: 0 },
    })
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    expect(metrics).toContain('clearwater_sip_requests_received_total{daemon="bono"} 0\n')
    expect(metrics).toContain('clearwater_sip_requests_received_total{daemon="sprout"} 0\n')
  }
  await core.close()
})

test('with an IPv6 address SIP is IPv6 inside too, and provisioning is where cw user looks', async () => {
  using dir = new TempDir('all-in-one')
  const core = await startAllInOne(await optionsIn(dir, '::1'))

  expect((await fetch(`http://127.0.0.1:${core.ports.provisioning}/ping`)).status).toBe(200)
  await core.close()
})
