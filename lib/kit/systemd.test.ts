import { describe, expect, test } from 'vitest'
import { seconds, TestClock } from './clock.ts'
import { noLog } from './log.ts'
import { openSupervisor } from './systemd.ts'

/** A supervisor under a systemd that notes what it is told. */
function supervised(environment: NodeJS.ProcessEnv) {
  const clock = new TestClock(0)
  const told: string[] = []
  const supervisor = openSupervisor({
    clock,
    log: noLog,
    environment,
    notify: async assignments => {
      told.push(...assignments)
    },
  })
  return { clock, told, supervisor }
}

const SOCKET = { NOTIFY_SOCKET: '/run/systemd/notify' }
const settle = () => new Promise(resolve => setImmediate(resolve))

test('nobody is told anything where there is no systemd', async () => {
  const { told, supervisor } = supervised({ WATCHDOG_USEC: '30000000' })

  await supervisor.ready('at work')
  supervisor.watch(() => Promise.resolve(true))
  await settle()

  expect(told).toEqual([])
})

test('systemd hears of a life in its order', async () => {
  const { told, supervisor } = supervised(SOCKET)

  void supervisor.ready('at work')
  void supervisor.reloading()
  void supervisor.ready('at\nwork')
  await supervisor.stopping('finishing')

  expect(told).toEqual([
    'READY=1',
    'STATUS=at work',
    'RELOADING=1',
    'READY=1',
    'STATUS=at work',
    'STOPPING=1',
    'STATUS=finishing',
  ])
})

test('what systemd cannot be told does not stop what comes after', async () => {
  let attempts = 0
  const supervisor = openSupervisor({
    clock: new TestClock(0),
    log: noLog,
    environment: SOCKET,
    notify: () => (++attempts === 1 ? Promise.reject(new Error('no such program')) : Promise.resolve()),
  })

  await supervisor.ready('at work')
  await supervisor.stopping('finishing')

  expect(attempts).toBe(2)
})

describe('the watchdog', () => {
  test('is fed three times in its time, while the daemon is alive', async () => {
    const { clock, told, supervisor } = supervised({ ...SOCKET, WATCHDOG_USEC: '30000000' })
    let alive = true

    supervisor.watch(() => Promise.resolve(alive))
    await settle()
    clock.advance(seconds(10))
    await settle()
    expect(told).toEqual(['WATCHDOG=1', 'WATCHDOG=1'])

    alive = false
    clock.advance(seconds(30))
    await settle()
    expect(told).toHaveLength(2)
  })

  test('is not fed where it was meant for another process', async () => {
    const { told, supervisor } = supervised({ ...SOCKET, WATCHDOG_USEC: '30000000', WATCHDOG_PID: '1' })

    supervisor.watch(() => Promise.resolve(true))
    await settle()

    expect(told).toEqual([])
  })
})
