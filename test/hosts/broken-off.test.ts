import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadPlaybook } from '../../cli/fleet/playbook/playbook.ts'
import type { Child } from '../support/child.ts'
import { deploymentOf, makeRelease, Operator, told, untilTold } from './deployment.ts'
import { Lab } from './lab/lab.ts'

const ROLES = {
  'home-1': ['homestead', 'homer', 'ralf', 'ellis'],
  'sprout-1': ['sprout'],
  'bono-1': ['bono'],
}
const HOSTS = [...Object.keys(ROLES), 'spare']
const PHASES = loadPlaybook('deploy').phases.map(phase => phase.name)

/** The first step of a phase, or of a later one if that has been done before. */
function reached(phase: string, step = '[a-z-]+'): RegExp {
  const later = PHASES.slice(PHASES.indexOf(phase) + 1).map(name => `${name}/[a-z-]+`)
  return new RegExp(`\\bdone +(${[`${phase}/${step}`, ...later].join('|')})@`)
}

describe('one deployment that is broken off again and again', () => {
  let lab: Lab
  let operator: Operator
  /** The deployment, begun or gone on with. */
  let isBegun = false
  const goOn = (): Child => {
    const child = isBegun ? operator.start('resume', '--yes') : operator.startDeploy()
    isBegun = true
    return child
  }
  beforeAll(async () => {
    lab = await Lab.start({ hosts: HOSTS.map(name => ({ name })), layer: 'services' })
    operator = new Operator(lab, { release: await makeRelease(lab) })
    operator.write(deploymentOf(lab, ROLES))
  })
  afterAll(async () => {
    await lab.close()
  })

  test.for([
    ['base', 'account'],
    ['base', 'release'],
    ['authority', 'key'],
    ['certificates', 'client'],
    ['etcd', 'membership'],
    ['etcd', 'start'],
    ['configuration', 'shared'],
    ['learned', 'files'],
    ['homestead', 'daemon'],
  ] as const)('kill -9 after %s/%s', killedAfter)

  test('Ctrl-C finishes what has begun, says what is left, and begins nothing new', async () => {
    const child = goOn()
    await untilTold(child, reached('homer'))
    child.signal('SIGINT')

    expect(await child.exited, told(child)).toMatchObject({ code: 5 })
    expect(child.stderr).toContain('finishing what has begun')
    expect(child.stderr).toMatch(/error INTERRUPTED: interrupted: \d+ steps of \S+ left/)
    expect(child.stderr).toContain('sprout/daemon@sprout-1')
    expect(child.stderr).toMatch(/do the rest: cw resume \S+/)
    expect(await unitsOf('bono-1')).not.toContain('clearwater-bono.service')
  })

  test.for([
    ['ralf', 'daemon'],
    ['ellis', 'daemon'],
    ['sprout', 'daemon'],
    ['bono', 'daemon'],
  ] as const)('kill -9 after %s/%s', killedAfter)

  test('a host that loses power is told, and the others are seen to', async () => {
    const child = goOn()
    await untilTold(child, 'followers of etcd')
    await lab.host('spare').kill()

    expect(await child.exited, told(child)).toMatchObject({ code: 5 })
    expect(child.stderr).toMatch(/failed managers\/\S+@spare: /)
    expect(child.stderr).toContain('1 node failed')
    for (const name of ['home-1', 'sprout-1', 'bono-1']) {
      expect(await unitsOf(name)).toContain('clearwater-queue-manager.service')
    }
  })

  test('kill -9 while that host is caught up on', async () => {
    await lab.host('spare').boot()
    await killedAfter(['managers', 'config-manager'])
  })

  test('the last resume finishes it, and then there is nothing to do', async () => {
    const run = await operator.cw('resume', '--yes')
    expect(run.code, told(run)).toBe(0)
    const again = await operator.deploy('--yes')
    expect(again, told(again)).toMatchObject({ code: 0, stdout: 'nothing to do\n' })

    for (const [name, roles] of Object.entries(ROLES)) {
      const units = await unitsOf(name)
      for (const role of roles) expect(units).toContain(`clearwater-${role}.service`)
    }
    const status = await operator.cw('status', '--json')
    expect(JSON.parse(status.stdout)).toMatchObject({
      result: { serving: { verdict: 'yes' }, inSync: { verdict: 'yes' }, running: [] },
    })
  })

  test('its journal tells all of that as one operation', async () => {
    const history = await operator.cw('history', '--json', '--local')
    const { operations } = (
      JSON.parse(history.stdout) as { result: { operations: { id: string; outcome: string }[] } }
    ).result
    expect(operations).toMatchObject([{ operation: 'deploy', outcome: 'done' }])

    const file = `.local/state/clearwater/lab/operations/${operations[0]?.id ?? ''}.jsonl`
    const events = readFileSync(join(lab.home, file), 'utf8')
      .trimEnd()
      .split('\n')
      .map(line => (JSON.parse(line) as { event: string }).event)
    expect(events.filter(event => event === 'operation.started')).toHaveLength(1)
    expect(events.filter(event => event === 'operation.resumed')).toHaveLength(16)
    expect(events.filter(event => event === 'operation.ended')).toHaveLength(3)
  })

  /** What was being done at that moment is begun and not finished; nobody gives the lock back. */
  async function killedAfter([phase, step]: readonly [string, string]): Promise<void> {
    const child = goOn()
    await untilTold(child, reached(phase, step))
    child.signal('SIGKILL')
    expect(await child.exited).toMatchObject({ signal: 'SIGKILL' })
  }

  async function unitsOf(name: string): Promise<string> {
    return lab.host(name).must('systemctl list-units --plain --no-legend --state=active "clearwater-*"')
  }
})
