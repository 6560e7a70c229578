import { describe, expect, test } from 'vitest'
import { BackgroundLoad } from '../../cli/operations/prove/background-load.ts'
import { placeOfMachine, type ServicePlace } from '../../cli/operations/verify/place.ts'
import { Core, cw, DOMAIN } from '../support/core.ts'
import { waitUntil } from '../support/wait.ts'

function placeOf(core: Core): Promise<ServicePlace> {
  const provisioning = { host: '127.0.0.1', port: core.port('provisioning') }
  return placeOfMachine({ domain: DOMAIN, address: '127.0.0.1', provisioning, portOffset: core.portOffset })
}

async function users(core: Core): Promise<readonly unknown[]> {
  const listed = await cw('user', 'list', '--json', '--hsprov', `127.0.0.1:${core.port('provisioning')}`)
  return (JSON.parse(listed.stdout) as { result: { subscribers: readonly unknown[] } }).result.subscribers
}

describe('a background load', () => {
  test('registers and calls while it runs, and leaves nothing', { timeout: 60_000 }, async () => {
    await using core = await Core.start()
    const load = await BackgroundLoad.start(await placeOf(core))
    await waitUntil('some calls', () => load.figures.calls.tried >= 10)

    const { calls, established, registrations, longestGapMs } = await load.stop()

    expect(calls.failed).toBe(0)
    // Those that talk longer are hung up on at the end.
    expect(established).toEqual({ ended: calls.tried, lost: 0 })
    expect(registrations).toMatchObject({ refused: 0, unanswered: 0 })
    expect(registrations.tried).toBeGreaterThanOrEqual(8)
    expect(longestGapMs).toBeGreaterThan(0)
    expect(load.left).toEqual([])
    expect(await users(core)).toEqual([])
  })

  test('tells what it has lost, and goes on once it can', { timeout: 90_000 }, async () => {
    await using core = await Core.start()
    const load = await BackgroundLoad.start(await placeOf(core), { answerMs: 1000 })
    await waitUntil('some calls', () => load.figures.calls.tried >= 4)

    process.kill(core.pid, 'SIGSTOP')
    await waitUntil('losses', () => load.figures.registrations.unanswered > 0, 30_000)
    process.kill(core.pid, 'SIGCONT')
    const { calls } = load.figures
    await waitUntil('calls again', () => load.figures.calls.tried - load.figures.calls.failed > calls.tried - calls.failed + 4, 30_000) // prettier-ignore

    const figures = await load.stop()
    expect(figures.longestGapMs).toBeGreaterThan(1000)
    expect(load.left).toEqual([])
    expect(await users(core)).toEqual([])
  })

  test('does not begin where nobody can be called', async () => {
    const place = { domain: DOMAIN, address: '127.0.0.1', provisioning: { host: '127.0.0.1', port: 1 }, portOffset: 0 } // prettier-ignore

    await expect(BackgroundLoad.start(await placeOfMachine(place))).rejects.toMatchObject({
      code: 'PROOF_IMPOSSIBLE',
      message: 'nobody can register or call through this deployment now',
    })
  })
})
