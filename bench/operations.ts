import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Core, cw, PROJECT } from '../test/support/core.ts'
import { Child } from '../test/support/child.ts'
import { provisionMany, subscriber } from '../test/support/subscribers.ts'
import { TempDir } from '../test/support/temp-dir.ts'
import { names } from './load.ts'
import type { ManyNodes } from './many-nodes.ts'
import type { ChangeCost, Cost, LabFigures } from './operations-lab.ts'
import type { Scale } from './measures.ts'
import type { Row } from './report.ts'

const MIB = 2 ** 20
const FEW = 8
const MANY = 200
/** How often what takes less than a second is done. */
const SHORT_REPEATS = 10

/** A first deployment to eight fresh hosts takes long, and hardly varies. */
const MOST_DEPLOYMENTS = 3

/** What an operator waits for. */
export async function benchOperations({ repeats }: Pick<Scale, 'repeats'>): Promise<Row[]> {
  return [
    ...(await benchLab(Math.min(repeats, MOST_DEPLOYMENTS))),
    ...(await benchCommands()),
    ...(await benchManyNodes()),
  ]
}

/** On eight hosts of test/hosts, which only root can have. */
async function benchLab(repeats: number): Promise<Row[]> {
  if (process.getuid?.() !== 0) {
    console.error('operations: hosts are left out: they need root')
    return []
  }
  using dir = new TempDir('operations')
  const file = join(dir.path, 'figures.json')
  const args = [join(PROJECT, 'test/hosts/run.ts'), join(PROJECT, 'bench/operations-lab.ts')]
  await using lab = new Child(process.execPath, [...args, `${repeats}`, file], { deathSignal: 'TERM' })
  const { code } = await lab.exited
  if (code !== 0) throw new Error(`the lab ended with ${String(code)}:\n${lab.stdout}\n${lab.stderr}`)
  const figures = JSON.parse(readFileSync(file, 'utf8')) as LabFigures
  const release = `${(figures.releaseBytes / MIB).toFixed(1)} MiB of each of the ${FEW} are the release.`
  return [
    seconds('First deploy to clean hosts, Debian packages with it', figures.cleanDeploy),
    seconds('First deploy to hosts that have those', figures.firstDeploy),
    { ...sent('First deploy: sent over SSH', figures.firstDeploy), note: release },
    seconds('Second deploy: nothing to do', figures.secondDeploy),
    sent('Second deploy: sent over SSH', figures.secondDeploy),
    seconds('cw config set, until it is live on all nodes', figures.configSet),
    sent('cw config set: sent over SSH', figures.configSet),
    { ...seconds('cw status', figures.status), floor: { kind: 'value', atMost: 2 } },
    ...figures.changes.map(changed),
  ]
}

/** Commands that are felt to answer at once, or not. */
async function benchCommands(): Promise<Row[]> {
  await using core = await Core.start()
  await provisionMany(core.port('provisioning'), names('user', 10).map(subscriber))
  const list = ['user', 'list', '--hsprov', `127.0.0.1:${core.port('provisioning')}`]
  return [
    milliseconds('cw --help', await times(() => cw('--help')), 300),
    milliseconds('cw user list, 10 subscribers', await times(() => cw(...list)), 500),
  ]
}

async function times(run: () => Promise<{ readonly code: number | null }>): Promise<number[]> {
  const values: number[] = []
  for (let repeat = 0; repeat < SHORT_REPEATS; repeat++) {
    const begun = performance.now()
    const { code } = await run()
    if (code !== 0) throw new Error(`the command ended with ${String(code)}`)
    values.push(performance.now() - begun)
  }
  return values
}

/** Nodes that answer at once: what is left is our own work. */
async function benchManyNodes(): Promise<Row[]> {
  const rows: Row[] = []
  for (const what of ['status', 'plan'] as const) {
    const few = await manyNodes(what, FEW)
    const many = await manyNodes(what, MANY)
    const kept = `the second half of ${SHORT_REPEATS} times left ${(many.keptBytes / MIB).toFixed(1)} MiB behind.`
    const command = what === 'plan' ? 'cw deploy --dry-run' : 'cw status'
    rows.push(
      milliseconds(`${command}, ${MANY} nodes that answer at once`, many.ms),
      {
        what: `${command}: most memory, ${FEW} nodes`,
        unit: 'MiB',
        values: { clearwater: [few.peakBytes / MIB] },
      },
      {
        what: `${command}: most memory, ${MANY} nodes`,
        unit: 'MiB',
        values: { clearwater: [many.peakBytes / MIB] },
        note: kept,
      },
    )
  }
  return rows
}

async function manyNodes(what: 'status' | 'plan', nodes: number): Promise<ManyNodes> {
  const script = join(import.meta.dirname, 'many-nodes.ts')
  const args = [script, what, `${nodes}`, `${SHORT_REPEATS}`]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  return JSON.parse(stdout) as ManyNodes
}

function milliseconds(what: string, values: readonly number[], atMost?: number): Row {
  const row = { what, unit: 'ms', values: { clearwater: values } }
  return atMost === undefined ? row : { ...row, floor: { kind: 'value', atMost } }
}

function seconds(what: string, costs: readonly Cost[]): Row {
  return { what, unit: 's', values: { clearwater: costs.map(cost => cost.ms / 1000) } }
}

function changed({ what, ms, nodes, calls, established, longestGapMs }: ChangeCost): Row {
  return {
    what: `cw ${what}, ${nodes} ${nodes === 1 ? 'node' : 'nodes'}`,
    unit: 's',
    values: { clearwater: [ms / 1000] },
    note:
      `${calls.failed} of ${calls.tried} calls were not put through, ${established.lost} of ${established.ended} that stood were lost; ` +
      `longest time without one ${(longestGapMs / 1000).toFixed(1)} s.`,
  }
}

function sent(what: string, costs: readonly Cost[]): Row {
  return { what, unit: 'MiB', values: { clearwater: costs.map(cost => cost.sentBytes / MIB) } }
}
