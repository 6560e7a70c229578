import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startAstaire } from '../../daemons/astaire/astaire.ts'
import { TimerWheel } from '../../lib/kit/clock.ts'
import { noLog } from '../../lib/kit/log.ts'
import { Subagent } from '../../lib/snmp/agentx/subagent.ts'
import { addressIndex, gauge, scalar, table, type Subtree } from '../../lib/snmp/mib.ts'
import { CLEARWATER, type Oid } from '../../lib/snmp/oid.ts'
import { MemcachedCluster } from '../../lib/store/memcached/cluster.ts'
import { MemcachedRegistrationStore } from '../../lib/store/memcached/registrations.ts'
import { recordUntil } from '../../lib/store/contract/registration-store.ts'
import { MemcachedServers } from '../support/memcached.ts'
import { Snmpd } from '../support/snmpd.ts'
import { waitUntil } from '../support/wait.ts'

let snmpd: Snmpd
beforeAll(async () => {
  snmpd = await Snmpd.start()
})
afterAll(() => snmpd[Symbol.asyncDispose]())

function realClock(): TimerWheel {
  const clock = new TimerWheel(error => expect.fail(String(error)))
  onTestFinished(() => clock.close())
  return clock
}

const TRIAL: Oid = [...CLEARWATER, 9999]
const text = (oid: Oid): string => oid.join('.')

async function serving(subtrees: readonly Subtree[]): Promise<Subagent> {
  const agent = new Subagent({
    ...{ master: snmpd.socket, description: 'a trial', subtrees },
    ...{ clock: realClock(), log: noLog },
  })
  onTestFinished(() => agent.close())
  await waitUntil('snmpd to take it', () => agent.isRegistered, 30_000)
  return agent
}

describe('a daemon behind snmpd', () => {
  const rows = Array.from({ length: 300 }, (_, index) => ({
    index: [...addressIndex('192.0.2.1'), index],
    columns: { 2: gauge(index), 3: { type: 'string', value: Buffer.from(`row ${index}`) } as const },
  }))
  const subtrees = [
    scalar([...TRIAL, 1], () => 7),
    table([...TRIAL, 2], () => rows),
    table([...TRIAL, 3], () => [{ index: [1], columns: { 2: { type: 'integer', value: -5 } } }]),
  ]

  test('has its scalars and tables read, walked in order and in bulk', async () => {
    await serving(subtrees)

    expect(await snmpd.ask('snmpget', text([...TRIAL, 1, 0]))).toEqual([`.${text(TRIAL)}.1.0 = Gauge32: 7`])
    const walked = await snmpd.ask('snmpwalk', text(TRIAL))
    expect(walked).toHaveLength(602)
    expect(walked[1]).toBe(`.${text(TRIAL)}.2.1.2.1.4.192.0.2.1.0 = Gauge32: 0`)
    expect(walked[600]).toBe(`.${text(TRIAL)}.2.1.3.1.4.192.0.2.1.299 = STRING: "row 299"`)
    expect(walked[601]).toBe(`.${text(TRIAL)}.3.1.2.1 = INTEGER: -5`)
    expect(await snmpd.ask('snmpbulkwalk', '-Cr50', text(TRIAL))).toEqual(walked)
  })

  test('says what is not there, and lets nobody set anything', async () => {
    await serving(subtrees)

    expect(await snmpd.ask('snmpget', text([...TRIAL, 2, 1, 2, 9]))).toEqual([
      `.${text(TRIAL)}.2.1.2.9 = No Such Instance currently exists at this OID`,
    ])
    expect((await snmpd.ask('snmpset', text([...TRIAL, 1, 0]), 'u', '9')).join(' ')).toContain('notWritable')
    expect(await snmpd.ask('snmpget', text([...TRIAL, 1, 0]))).toEqual([`.${text(TRIAL)}.1.0 = Gauge32: 7`])
  })

  test('is there again after snmpd was killed', async () => {
    const agent = await serving(subtrees)
    await snmpd.kill()
    await waitUntil('it to notice', () => !agent.isRegistered)

    await snmpd.run()

    await waitUntil('snmpd to take it again', () => agent.isRegistered, 30_000)
    expect(await snmpd.ask('snmpget', text([...TRIAL, 1, 0]))).toEqual([`.${text(TRIAL)}.1.0 = Gauge32: 7`])
  })

  test('is gone when it ends, and another one may take its place', async () => {
    const first = await serving(subtrees)
    first.close()
    await waitUntil('it to be gone', async () => {
      const [answer] = await snmpd.ask('snmpget', text([...TRIAL, 1, 0]))
      return answer?.includes('No Such')
    })

    await serving([scalar([...TRIAL, 1], () => 8)])

    expect(await snmpd.ask('snmpget', text([...TRIAL, 1, 0]))).toEqual([`.${text(TRIAL)}.1.0 = Gauge32: 8`])
  })
})

test('astaire tells how far a resynchronisation has come', async () => {
  const servers = await MemcachedServers.start(2)
  onTestFinished(() => servers[Symbol.asyncDispose]())
  const clock = realClock()
  const view = { servers: servers.addresses }
  const cluster = new MemcachedCluster({ view, clock })
  onTestFinished(() => cluster.close())
  const store = new MemcachedRegistrationStore({ cluster, clock, onForeign: () => undefined })
  for (let index = 0; index < 300; index++)
    await store.put(`sip:user${index}@example.com`, recordUntil(Date.now() + 60_000), undefined)
  await servers.kill(0)
  await servers.run(0)
  const astaire = await startAstaire(
    {
      local: servers.addresses[0] ?? '',
      bind: '127.0.0.1',
      port: 0,
      clock,
      log: noLog,
      snmpMaster: snmpd.socket,
    },
    // So little that it takes a while.
    { view, cpuLimit: 1 },
  )
  onTestFinished(() => astaire.close())
  const ASTAIRE = [...CLEARWATER, 9, 9]
  const figure = async (number: number): Promise<number> =>
    Number((await snmpd.ask('snmpget', text([...ASTAIRE, number, 0])))[0]?.split('Gauge32: ')[1])

  await waitUntil('some to be copied', async () => (await figure(3)) > 0, 60_000)

  expect((await figure(1)) + (await figure(2))).toBe(128)
  expect(await figure(4)).toBeGreaterThan((await figure(3)) * 100)
  const [host, port = ''] = (servers.addresses[1] ?? '').split(':')
  const index = `${text(addressIndex(host ?? ''))}.${port}`
  const walked = await snmpd.ask('snmpwalk', text(ASTAIRE))
  expect(walked).toContain(`.${text(ASTAIRE)}.6.1.4.${index} = Gauge32: 128`)
  expect(walked.filter(line => line.startsWith(`.${text(ASTAIRE)}.7.1.5.${index}.`)).length).toBeGreaterThan(
    10,
  )
  expect(walked.some(line => line.startsWith(`.${text(ASTAIRE)}.5.1.2.1 = `))).toBe(true)
})

test('a master that talks nonsense is left, and tried again', async () => {
  const path = `${snmpd.socket}-strange`
  const seen: number[] = []
  const server = createServer(socket => {
    seen.push(Date.now())
    socket.on('error', () => undefined)
    socket.end(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))
  })
  await new Promise<void>(resolve => server.listen(path, resolve))
  onTestFinished(() => void server.close())
  const agent = new Subagent({
    ...{ master: path, description: 'a trial', subtrees: [scalar([...TRIAL, 1], () => 7)] },
    ...{ clock: realClock(), log: noLog },
  })
  onTestFinished(() => agent.close())

  await waitUntil('a second try', () => seen.length === 2)

  expect(agent.isRegistered).toBe(false)
})
