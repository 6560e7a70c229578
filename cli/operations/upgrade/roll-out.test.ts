import { describe, expect, test } from 'vitest'
import { CwError } from '../../../lib/kit/errors.ts'
import type { OperationReport } from '../deploy/operate.ts'
import { LoadCounter } from '../prove/figures.ts'
import { rollOut, type Move, type RollOutParts, type RollOutReport } from './roll-out.ts'

const OLD = { version: '1.0.0', arch: 'x64', sha256: 'a'.repeat(64) }
const NEW = { version: '1.1.0', arch: 'x64', sha256: 'b'.repeat(64) }
const MOVES: readonly Move[] = ['homestead-1', 'sprout-1', 'bono-1'].map(node => ({ node, to: NEW, from: OLD, isCanary: true })) // prettier-ignore
const FINE: OperationReport = { outcome: 'done', done: 3, failed: [], left: [], unreachable: [] }

/** A deployment of which a test says how it takes releases. */
class Deployment implements RollOutParts {
  readonly told: string[] = []
  readonly counter = new LoadCounter(() => 0)
  readonly stop = new AbortController()
  onDeploy: (node: string, version: string) => OperationReport = () => FINE
  onVerify: () => string | undefined = () => undefined
  /** What users do while somebody waits. */
  onPause: () => void = () => undefined

  deploy = (node: string, { version }: { version: string }): Promise<OperationReport> => {
    this.told.push(`${node} ${version}`)
    return Promise.resolve(this.onDeploy(node, version))
  }
  verify = (): Promise<string | undefined> => Promise.resolve(this.onVerify())
  figures = () => this.counter.figures
  pause = (): Promise<void> => {
    this.onPause()
    return Promise.resolve()
  }

  run(moves = MOVES): Promise<RollOutReport> {
    return rollOut({ moves, soakMs: 30_000, signal: this.stop.signal, onMove: () => undefined }, this)
  }

  use(failed: number, through: number): void {
    for (let index = 0; index < failed; index++) this.counter.called('no answer')
    for (let index = 0; index < through; index++) this.counter.called()
  }
}

describe('another release', () => {
  test('is given to one node after the other', async () => {
    const deployment = new Deployment()
    deployment.onPause = () => deployment.use(1, 20)

    expect(await deployment.run()).toEqual({ done: ['homestead-1', 'sprout-1', 'bono-1'], left: [] })
    expect(deployment.told).toEqual(['homestead-1 1.1.0', 'sprout-1 1.1.0', 'bono-1 1.1.0'])
  })

  test('is taken back from a node that does not start with it', async () => {
    const deployment = new Deployment()
    const error = new CwError('OPERATION_INCOMPLETE', '1 node failed', { why: 'sprout did not start' })
    deployment.onDeploy = (node, version) => (node === 'sprout-1' && version === '1.1.0' ? { ...FINE, outcome: 'incomplete', error } : FINE) // prettier-ignore

    const report = await deployment.run()

    expect(deployment.told).toEqual(['homestead-1 1.1.0', 'sprout-1 1.1.0', 'sprout-1 1.0.0'])
    expect(report).toMatchObject({
      done: ['homestead-1'],
      returned: { node: 'sprout-1', why: '1 node failed: sprout did not start', isBack: true },
      left: ['bono-1'],
      error: { code: 'UPGRADE_RETURNED', message: 'sprout-1 did not serve with 1.1.0, and is back on 1.0.0' },
    })
    expect(report.error?.detail.why).toContain('1.1.0 is on homestead-1\nbono-1 was not touched')
  })

  test('is taken back where the service is not given', async () => {
    const deployment = new Deployment()
    deployment.onVerify = () => (deployment.told.length === 3 ? 'bono-1: no answer' : undefined)

    expect(await deployment.run()).toMatchObject({
      done: ['homestead-1', 'sprout-1'],
      returned: { node: 'bono-1', why: 'bono-1: no answer', isBack: true },
    })
  })

  test('is taken back where users lose more than they did before', async () => {
    const deployment = new Deployment()
    deployment.onPause = () => {
      if (deployment.told.length === 0) deployment.use(2, 18)
      else deployment.use(deployment.told.length === 2 ? 6 : 2, 18)
    }

    expect((await deployment.run()).returned).toMatchObject({
      node: 'sprout-1',
      why: '6 of 24 calls and registrations failed since, and 2 of 20 before',
    })
  })

  test('a node that cannot go back either is told', async () => {
    const deployment = new Deployment()
    const error = new CwError('NODE_UNREACHABLE', 'homestead-1 is gone')
    deployment.onDeploy = () => ({ ...FINE, outcome: 'incomplete', error })

    const { error: told, returned } = await deployment.run()

    expect(returned?.isBack).toBe(false)
    expect(told?.message).toBe('homestead-1 does not serve with 1.1.0, and could not go back')
  })

  test('broken off, it takes nothing back and says where it is', async () => {
    const deployment = new Deployment()
    deployment.onVerify = () => {
      if (deployment.told.length < 2) return undefined
      deployment.stop.abort()
      return 'not every check could be made'
    }

    const report = await deployment.run()

    expect(deployment.told).toEqual(['homestead-1 1.1.0', 'sprout-1 1.1.0'])
    expect(report).toMatchObject({
      done: ['homestead-1'],
      left: ['sprout-1', 'bono-1'],
      error: { code: 'INTERRUPTED', message: 'ended before sprout-1, bono-1' },
    })
  })
})
