import { describe, expect, test } from 'vitest'
import { ROLES } from '../../../lib/config/deployment/deployment.ts'
import { formatPlan } from '../../render/plan.ts'
import { deploymentOf } from '../testing/deployment.ts'
import { bareShells } from '../testing/fake-nodes.ts'
import { heapAfterCollection } from '../testing/heap.ts'
import { previewOperation, type Preview } from './operate.ts'

const deployment = deploymentOf(
  Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`n-${index}`, [ROLES[index % 6]!]])),
)

function preview(): Promise<Preview> {
  return previewOperation({
    ...{ operation: 'deploy', deployment, options: {}, fleet: {}, signal: new AbortController().signal },
    release: { file: '/nowhere', version: '1.0.0', arch: 'x64', sha256: 'f'.repeat(64) },
    confirm: async () => false,
    onEvent: () => undefined,
    onWarning: () => undefined,
    open: async () => ({
      ...{ reached: bareShells(deployment), unreachable: [] },
      close: async () => undefined,
    }),
  })
}

describe('the plan of 200 bare hosts', () => {
  test('has every step of every node, and is told in few lines', async () => {
    const { plan, diffs, unreachable } = await preview()

    expect(new Set(plan.steps.map(step => step.node)).size).toBe(200)
    expect(unreachable).toEqual([])
    const text = formatPlan({ plan, diffs, unreachable }, false)
    expect(text.split('\n').length).toBeLessThan(1000)
    expect(text).toContain('on 200 nodes, release 1.0.0')
  })

  test('is made again and again without a growing memory', { timeout: 60_000 }, async () => {
    const sizes: number[] = []
    for (let look = 1; look <= 6; look++) {
      await preview()
      if (look === 2 || look === 6) sizes.push(heapAfterCollection())
    }

    const [early = 0, late = 0] = sizes
    // A plan that was kept would be several MB, and there would be four.
    expect(late - early).toBeLessThan(4 * 1024 * 1024)
  })
})
