// Deployments to eight real hosts, again and again, inside the lab of test/hosts.
// usage: node test/hosts/run.ts bench/operations-lab.ts REPEATS RESULT_FILE
import { statSync, writeFileSync } from 'node:fs'
import { deploymentOf, makeRelease, Operator, releaseAs, told } from '../test/hosts/deployment.ts'
import { attempt, tool } from '../test/hosts/lab/command.ts'
import type { Layer } from '../test/hosts/lab/environment.ts'
import { Lab, type CwResult } from '../test/hosts/lab/lab.ts'

/** What it writes, as JSON: a value for each time. */
export interface LabFigures {
  /** To hosts with nothing on them, once: what it takes is up to the package mirror. */
  readonly cleanDeploy: readonly Cost[]
  /** To hosts that have the Debian packages already. */
  readonly firstDeploy: readonly Cost[]
  readonly secondDeploy: readonly Cost[]
  readonly configSet: readonly Cost[]
  readonly status: readonly Cost[]
  readonly releaseBytes: number
  readonly changes: readonly ChangeCost[]
}

/** What changing a deployment took, with calls going on. */
export interface ChangeCost {
  readonly what: string
  readonly ms: number
  /** That were changed, one after the other. */
  readonly nodes: number
  readonly calls: { readonly tried: number; readonly failed: number }
  readonly established: { readonly ended: number; readonly lost: number }
  readonly longestGapMs: number
}

export interface Cost {
  readonly ms: number
  /** That the operator's machine has sent to the hosts over SSH, and what came back; with TCP and IP around it. */
  readonly sentBytes: number
  readonly receivedBytes: number
}

/** Times that each short command is run after a deployment. */
const SHORT_REPEATS = 3

const [repeats = '1', file = ''] = process.argv.slice(2)
const roles = ['bono', 'sprout', 'homestead', 'homer', 'ellis', 'ralf']
const names = [...roles.map(role => `${role}-1`), 'spare-1', 'spare-2']
const figures = {
  cleanDeploy: [] as Cost[],
  firstDeploy: [] as Cost[],
  secondDeploy: [] as Cost[],
  configSet: [] as Cost[],
  status: [] as Cost[],
}
let expires = 600

const release = await onHosts('services', async (lab, operator) => {
  for (let repeat = 1; repeat <= Number(repeats); repeat++) {
    if (repeat > 1) await lab.reset()
    await measure('firstDeploy', () => operator.deploy('--yes', '--no-verify'))
    for (let short = 1; short <= SHORT_REPEATS; short++) {
      await measure('secondDeploy', () => operator.deploy('--yes', '--no-verify'))
      expires++
      await measure('configSet', () => operator.cw('config', 'set', `reg_max_expires=${expires}`, '--yes'))
      await measure('status', () => operator.cw('status'))
    }
  }
})
await onHosts('base', async (_lab, operator) => {
  await measure('cleanDeploy', () => operator.deploy('--yes', '--no-verify'))
})
const changes = await changing()
const result: LabFigures = { ...figures, releaseBytes: release, changes }
writeFileSync(file, JSON.stringify(result))

/** Two bonos, so that telephones have another one to go to while theirs restarts. */
async function changing(): Promise<readonly ChangeCost[]> {
  const own = { 'core-1': ['homestead', 'homer'], 'edge-1': ['sprout', 'bono'], 'edge-2': ['sprout', 'bono'] }
  const hosts = [...Object.keys(own), 'spare-1', 'spare-2'].map(name => ({ name }))
  await using lab = await Lab.start({ hosts, layer: 'services' })
  const release = await makeRelease(lab)
  const operator = new Operator(lab, { release })
  operator.write(deploymentOf(lab, own))
  const deployed = await operator.deploy('--yes')
  if (deployed.code !== 0) throw new Error(told(deployed))
  const costs: ChangeCost[] = []
  const change = async (what: string, nodes: number, run: () => Promise<CwResult>): Promise<void> => {
    const begun = performance.now()
    const done = await run()
    const ms = performance.now() - begun
    if (done.code !== 0) throw new Error(`${what} ended with ${String(done.code)}:\n${told(done)}`)
    const { proof } = (
      JSON.parse(done.stdout) as { result: { proof: Omit<ChangeCost, 'what' | 'ms' | 'nodes'> } }
    ).result
    const { calls, established, longestGapMs } = proof
    costs.push({ ...{ what, ms, nodes }, calls, established, longestGapMs })
    console.error(`${what}: ${Math.round(ms)} ms, ${JSON.stringify(proof)}`)
  }
  const proven = ['--prove', '--json'] as const
  await change('scale', 1, () => operator.scale('sprout=3', ...proven))
  await change('restart', 3, () => operator.cw('restart', 'sprout', '--yes', ...proven))
  const next = releaseAs(lab, release, '0.1.1')
  const quiet = ['--yes', '--soak', '0', '--json'] as const
  await change('upgrade', 5, () => operator.cw('upgrade', next, ...quiet))
  await change('rollback', 5, () => operator.cw('rollback', ...quiet))
  await change('scale back', 1, () => operator.scale('sprout=2', ...proven))
  await lab.host('edge-2').kill()
  await change('replace', 1, () => operator.replace('edge-2', '--with', 'spare-2', ...proven))
  return costs
}

/** Gives the size of the release that is deployed. */
async function onHosts(layer: Layer, work: (lab: Lab, operator: Operator) => Promise<void>): Promise<number> {
  await using lab = await Lab.start({ hosts: names.map(name => ({ name })), layer })
  const release = await makeRelease(lab)
  const operator = new Operator(lab, { release })
  operator.write(deploymentOf(lab, Object.fromEntries(roles.map(role => [`${role}-1`, [role]]))))
  await countSsh()
  await work(lab, operator)
  return statSync(release).size
}

async function measure(what: keyof typeof figures, run: () => Promise<CwResult>): Promise<void> {
  const [sent, received] = await sshBytes()
  const begun = performance.now()
  const done = await run()
  const ms = performance.now() - begun
  if (done.code !== 0) throw new Error(`${what} ended with ${String(done.code)}:\n${told(done)}`)
  const [sentNow, receivedNow] = await sshBytes()
  const cost = { ms, sentBytes: sentNow - sent, receivedBytes: receivedNow - received }
  figures[what].push(cost)
  console.error(`${what}: ${Math.round(ms)} ms, ${cost.sentBytes} bytes out, ${cost.receivedBytes} in`)
}

/** Counts in the kernel what goes to port 22 and comes from there: not what hosts fetch by apt. */
async function countSsh(): Promise<void> {
  await attempt('nft', 'delete', 'table', 'ip', 'figures')
  const counted = (hook: string, port: string): string =>
    `add table ip figures; add counter ip figures ${hook};
     add chain ip figures ${hook} { type filter hook ${hook} priority 0; };
     add rule ip figures ${hook} tcp ${port} 22 counter name ${hook};`
  await tool('nft', counted('output', 'dport'))
  await tool('nft', counted('input', 'sport'))
}

async function sshBytes(): Promise<readonly [number, number]> {
  const { nftables } = JSON.parse(
    await tool('nft', '--json', 'list', 'counters', 'table', 'ip', 'figures'),
  ) as {
    nftables: readonly { readonly counter?: { readonly name: string; readonly bytes: number } }[]
  }
  const bytes = (name: string): number =>
    nftables.find(({ counter }) => counter?.name === name)?.counter?.bytes ?? NaN
  return [bytes('output'), bytes('input')]
}
