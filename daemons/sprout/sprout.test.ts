import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { noLog } from '../../lib/kit/log.ts'
import { sipRequest, TestExchange } from '../../lib/ims/testing.ts'
import { LocalNet } from '../../lib/sip/local-net.ts'
import { InProcessTimers } from '../../lib/timers/in-process.ts'
import { startSprout, type RunningSprout } from './sprout.ts'
import { MemoryRegistrations, openCore, OPTIONS, registrationData, type TaughtHomestead } from './testing.ts'

const net = new LocalNet()
const { challenges, homestead, sender } = openCore()
let running: RunningSprout

beforeAll(async () => {
  const { clock } = sender
  running = await startSprout(
    { ...OPTIONS, ports: { icscf: 0, scscf: 0, bgcf: 0 }, servers: [{ name: 'mmtel', port: 0 }] },
    {
      clock,
      log: noLog,
      net,
      resolver: { resolve: async () => [] },
      homestead,
      registrations: new MemoryRegistrations(),
      challenges,
      gruuSecret: 'secret',
      timers: new InProcessTimers({ clock, log: noLog }),
      documents: { get: async () => undefined },
    },
  )
})

afterAll(() => running.close(0))

async function at(name: string, method: string, uri: string, ...lines: string[]): Promise<TestExchange> {
  const exchange = new TestExchange(sipRequest(method, uri, lines))
  await net.find(`${name}.sprout.example.com`, undefined)?.handle(exchange)
  return exchange
}

/** Which function took the request shows in what it asks of the subscriber server, or that it does not ask. */
function teach(server: TaughtHomestead): string[] {
  server.asked.length = 0
  server.locate = () => ({ ok: false, status: 404 })
  server.data = impu => registrationData([impu])
  return server.asked
}

describe('a request', () => {
  test('goes to the function whose name it was sent to', async () => {
    const asked = teach(homestead)
    expect((await at('icscf', 'INVITE', 'sip:bob@example.com')).statuses).toEqual([404])
    expect((await at('scscf', 'INVITE', 'sip:bob@example.com')).statuses).toEqual([480])
    expect((await at('bgcf', 'INVITE', 'sip:bob@example.com')).final.reason).toBe('No route to target')
    expect(asked).toEqual(['location sip:bob@example.com', 'call sip:bob@example.com'])
  })

  test('that names another function of this node in its Route goes to that one', async () => {
    const asked = teach(homestead)
    await at('icscf', 'INVITE', 'sip:bob@example.com', 'Route: <sip:scscf.sprout.example.com;lr>')
    await at('icscf', 'INVITE', 'sip:bob@example.com', 'Route: <sip:sprout.example.com;lr;service=scscf>')
    expect(asked).toEqual(Array(2).fill('call sip:bob@example.com'))
  })

  test('goes to a built-in server by its name here and at home, by `service=` and by its user', async () => {
    const asked = teach(homestead)
    const back = 'Route: <sip:odi_0123456789.tr.1.69.eA@127.0.0.1;lr;service=scscf>'
    const served = 'P-Served-User: <sip:bob@example.com>;sescase=term;regstate=reg'
    const critical = 'Privacy: session; critical'
    for (const uri of [
      'mmtel.sprout.example.com',
      'MMTEL.example.com',
      'sprout.example.com;service=mmtel',
      'mmtel@127.0.0.1',
    ]) {
      const route = `Route: <sip:${uri};lr>`
      const exchange = await at('scscf', 'INVITE', 'sip:bob@example.com', route, back, served, critical)
      expect(exchange.statuses, uri).toEqual([183, 503])
    }
    expect(asked).toEqual([])
  })

  test('for a scheme that is not SIP’s: 416', async () => {
    expect((await at('icscf', 'INVITE', 'mailto:bob@example.com')).statuses).toEqual([416])
  })

  test('of a monitor is answered here, one for a user is not', async () => {
    teach(homestead)
    expect((await at('scscf', 'OPTIONS', 'sip:sprout.example.com')).statuses).toEqual([200])
    const polled = 'Route: <sip:scscf.sprout.example.com;lr>'
    expect((await at('scscf', 'OPTIONS', 'sip:sprout.example.com', polled)).statuses).toEqual([200])
    expect((await at('scscf', 'OPTIONS', 'sip:bob@example.com')).statuses).toEqual([480])
  })
})
