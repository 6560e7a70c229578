// The checks and the test suites, each as a count of what passed and what failed.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { RETRIED } from './retried-reporter.mjs'
import { ROOT } from './runtime.mjs'

export const SUITES = ['unit', 'integration', 'phones', 'hosts']

const REASON_LINES = 12

/** What prettier looks after. Documents are left as their authors wrap them. */
export const FORMATTED = [
  '{cli,daemons,lib,test,bench,tool}/**/*.{ts,mjs,cjs,js}',
  '*.{ts,mjs,cjs}',
  '.dependency-cruiser.cjs',
  '{package,tsconfig,knip}.json',
]

const CHECKS = {
  types: ['node_modules/typescript/bin/tsc', '-p', '.'],
  lint: ['node_modules/eslint/bin/eslint.js', '.'],
  format: ['node_modules/prettier/bin/prettier.cjs', '--check', '--log-level=warn', ...FORMATTED],
  boundaries: [
    'node_modules/dependency-cruiser/bin/dependency-cruise.mjs',
    ...['--config', '.dependency-cruiser.cjs', '--output-type', 'err'],
    ...['cli', 'daemons', 'lib'],
  ],
  'dead code': ['node_modules/knip/bin/knip.js', '--no-progress'],
}

/** Runs all checks, the slow one beside the others, and returns one count for each. */
export async function runChecks(runtime) {
  const { lint, ...quick } = CHECKS
  const lanes = [Object.entries({ lint }), Object.entries(quick)]
  const counts = await Promise.all(
    lanes.map(async lane => {
      const done = []
      for (const [name, args] of lane) done.push(await runCheck(runtime, name, args))
      return done
    }),
  )
  return counts.flat()
}

async function runCheck(runtime, name, args) {
  const { code, output } = await runtime.nodeOutput(args)
  console.log(`check ${name}: ${code === 0 ? 'passed' : 'FAILED'}`)
  if (code !== 0) console.log(output.trimEnd())
  return code === 0
    ? { passed: 1, failed: 0, skipped: 0, failures: [] }
    : { passed: 0, failed: 1, skipped: 0, failures: [`check ${name}`] }
}

/** Why this machine cannot run a suite, as a sentence; `undefined` if it can. */
export function obstacleTo(suite) {
  if (suite !== 'hosts') return undefined
  if (process.getuid?.() !== 0) {
    return 'tests on hosts are skipped: they need root, for namespaces, mounts and a network of their own'
  }
  const { status } = spawnSync('unshare', ['--mount', '--net', '--pid', '--fork', 'true'], {
    stdio: 'ignore',
  })
  return status === 0 ? undefined : 'tests on hosts are skipped: this machine allows no new namespaces'
}

/** Counts a suite that cannot run here, so that a green run does not hide it. */
export function skipSuite(reason) {
  console.log(reason)
  return { passed: 0, failed: 0, skipped: 1, failures: [] }
}

/** Runs one vitest project and counts its tests. A file that does not load, or a run that breaks off, is a failure. */
export async function runSuite(runtime, suite, args) {
  const folder = mkdtempSync(join(tmpdir(), 'clearwater-test-'))
  const report = join(folder, 'report.json')
  const retried = join(folder, RETRIED)
  try {
    const code = await runtime.node([
      ...(suite === 'hosts' ? ['test/hosts/run.ts'] : []),
      'node_modules/vitest/vitest.mjs',
      ...['run', '--project', suite, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
      '--reporter=./tool/retried-reporter.mjs',
      ...args,
    ])
    return {
      ...count(suite, readReport(report), code),
      retried: readNames(retried).map(each => `${suite}: ${each}`),
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function count(suite, report, code) {
  const failures = report.testResults.flatMap(failuresOf).map(each => `${suite}: ${each}`)
  // vitest also fails for an error outside any test.
  if (failures.length === 0 && code !== 0) failures.push(`${suite}: an error outside the tests`)
  return {
    passed: report.numPassedTests,
    failed: failures.length,
    skipped: report.numPendingTests + report.numTodoTests,
    failures,
  }
}

/** File, name and reason of each test that failed; the file alone if it did not load. */
function failuresOf(file) {
  const name = relative(ROOT, file.name)
  const failed = file.assertionResults.filter(test => test.status === 'failed')
  if (failed.length === 0) return file.status === 'failed' ? [`${name}\n${reason([file.message])}`] : []
  return failed.map(test => `${name} > ${test.fullName}\n${reason(test.failureMessages)}`)
}

function reason(messages) {
  const lines = stripVTControlCharacters(messages.join('\n'))
    .split('\n')
    .filter(line => line.trim() !== '' && !line.includes('node_modules'))
  return lines
    .slice(0, REASON_LINES)
    .map(line => `    ${line}`)
    .join('\n')
}

function readNames(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return []
  }
}

function readReport(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return { testResults: [], numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 }
  }
}

/**
 * Prints what failed, so that it need not be looked for in all that was printed before, and the sum as the last line.
 * Returns the exit code: a run in which nothing ran has not passed.
 */
export function summarise(counts) {
  const total = key => counts.reduce((sum, each) => sum + each[key], 0)
  for (const test of counts.flatMap(each => each.retried ?? [])) console.log(`at a second try: ${test}`)
  for (const failure of counts.flatMap(each => each.failures)) console.log(`failed: ${failure}`)
  if (total('skipped') > 0) console.log(`${total('skipped')} skipped`)
  console.log(`${total('passed')} passed, ${total('failed')} failed`)
  return total('failed') === 0 && total('passed') > 0 ? 0 : 1
}
