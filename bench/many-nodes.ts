// Looks at nodes that answer from memory, and plans their first deployment, in a process of its own.
// usage: node bench/many-nodes.ts status|plan NODES REPEATS
import { previewOperation } from '../cli/operations/deploy/operate.ts'
import { deploymentStatus } from '../cli/operations/status/status.ts'
import { deploymentOf } from '../cli/operations/testing/deployment.ts'
import { bareShells, fakeShells } from '../cli/operations/testing/fake-nodes.ts'
import { heapAfterCollection } from '../cli/operations/testing/heap.ts'
import { formatPlan } from '../cli/render/plan.ts'
import { formatStatus } from '../cli/render/status.ts'
import { ROLES } from '../lib/config/deployment/deployment.ts'

/** What it prints, as JSON. */
export interface ManyNodes {
  readonly ms: readonly number[]
  /** The most memory that the process has held. */
  readonly peakBytes: number
  /** What the second half of the repeats has left behind. */
  readonly keptBytes: number
}

const [what = '', nodes = '', repeats = ''] = process.argv.slice(2)
const deployment = deploymentOf(
  Object.fromEntries(
    Array.from({ length: Number(nodes) }, (_, index) => {
      const role = ROLES[index % ROLES.length]
      return [`node-${index}`, role === undefined ? [] : [role]]
    }),
  ),
)
const work = { status, plan }[what]
if (work === undefined) throw new Error(`there is no ${what}`)

const ms: number[] = []
let half = 0
for (let repeat = 1; repeat <= Number(repeats); repeat++) {
  const begun = performance.now()
  await work()
  ms.push(performance.now() - begun)
  if (repeat === Math.ceil(Number(repeats) / 2)) half = heapAfterCollection()
}
const result: ManyNodes = {
  ms,
  peakBytes: process.resourceUsage().maxRSS * 1024,
  keptBytes: heapAfterCollection() - half,
}
console.log(JSON.stringify(result))

async function status(): Promise<unknown> {
  const seen = await deploymentStatus({
    deployment,
    deadlineMs: 60_000,
    fleet: {},
    signal: new AbortController().signal,
    open: () => fakeShells(deployment),
    configuration: () => Promise.resolve({ nodes: [], settings: [] }),
  })
  return formatStatus(seen, (_style, text) => text)
}

async function plan(): Promise<unknown> {
  const preview = await previewOperation({
    operation: 'deploy',
    deployment,
    options: {},
    release: { file: '/nowhere/release.tar.gz', version: '1.0.0', arch: 'x64', sha256: 'f'.repeat(64) },
    fleet: {},
    signal: new AbortController().signal,
    confirm: () => Promise.resolve(false),
    onEvent: () => undefined,
    onWarning: () => undefined,
    open: () =>
      Promise.resolve({
        reached: bareShells(deployment),
        unreachable: [],
        close: () => Promise.resolve(),
      }),
  })
  return formatPlan(preview, true)
}
