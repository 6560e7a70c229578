// What package.json's scripts call. Runs on the system's Node (20 or later) and needs nothing installed: it sets up
// npm packages, the pinned Node, the build and Debian packages itself, then hands over.
import { packagesFor, requireDebianPackages } from './debian.mjs'
import { Refusal, ROOT, openRuntime } from './runtime.mjs'

const USAGE = `usage: node tool/run.mjs <what> [arguments]
  start [cw up flags]                      build, then run the whole core in one process
  test [suite] [files]                     unit, integration, phones or hosts; without a name: checks and all four
  check                                    types, lint, format, boundaries, dead code
  build                                    bundle into dist/ if a source has changed
  bench [arguments]                        speed and memory beside Kamailio; what an operator waits for
  format                                   prettier over the project`

const [what, ...args] = process.argv.slice(2)

try {
  process.exitCode = await main()
} catch (error) {
  if (!(error instanceof Refusal)) throw error
  console.error(`error: ${error.message}`)
  process.exitCode = 1
}

async function main() {
  const actions = { start, test, check, build, bench, format }
  if (what === undefined || !Object.hasOwn(actions, what)) {
    console.error(USAGE)
    return 2
  }
  process.chdir(ROOT)
  return actions[what](await openRuntime())
}

async function start(runtime) {
  const { buildIfChanged, ENTRY, NODE_FLAGS } = await import('./build.mjs')
  await buildIfChanged()
  return runtime.node([...NODE_FLAGS, ENTRY, 'up', ...args])
}

async function build() {
  const { buildIfChanged } = await import('./build.mjs')
  console.error((await buildIfChanged()) ? 'built dist/' : 'dist/ is up to date')
  return 0
}

async function check(runtime) {
  const { runChecks, summarise } = await import('./suites.mjs')
  return summarise(await runChecks(runtime))
}

async function test(runtime) {
  const { obstacleTo, runChecks, runSuite, skipSuite, summarise, SUITES } = await import('./suites.mjs')
  const named = SUITES.includes(args[0])
  const suites = named ? [args[0]] : SUITES
  const rest = named ? args.slice(1) : args
  const obstacles = new Map(suites.map(suite => [suite, obstacleTo(suite)]))
  requireDebianPackages(packagesFor(suites.filter(suite => obstacles.get(suite) === undefined)))
  if (suites.some(suite => suite !== 'unit')) {
    const { buildIfChanged } = await import('./build.mjs')
    await buildIfChanged()
  }

  const counts = []
  if (!named && rest.length === 0) counts.push(...(await runChecks(runtime)))
  for (const suite of suites) {
    const obstacle = obstacles.get(suite)
    counts.push(obstacle === undefined ? await runSuite(runtime, suite, rest) : skipSuite(obstacle))
  }
  return summarise(counts)
}

async function bench(runtime) {
  const { obstacleTo } = await import('./suites.mjs')
  requireDebianPackages(packagesFor(obstacleTo('hosts') === undefined ? ['bench', 'hosts'] : ['bench']))
  const { buildIfChanged } = await import('./build.mjs')
  await buildIfChanged()
  return runtime.node(['bench/run.ts', ...args])
}

async function format(runtime) {
  const { FORMATTED } = await import('./suites.mjs')
  return runtime.node(['node_modules/prettier/bin/prettier.cjs', '--write', '--log-level=warn', ...FORMATTED])
}
