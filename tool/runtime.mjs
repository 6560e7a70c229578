// The npm packages and the pinned Node that everything else runs on.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

const NEEDED_NODE = 24
const STAMP = join(ROOT, 'node_modules', '.clearwater-lock-hash')

/** A reason not to go on that the caller can mend; shown as one sentence. */
export class Refusal extends Error {}

/** Installs what is missing and returns how to run the pinned Node. */
export async function openRuntime() {
  installModules()
  const binary = pinnedNode()
  const env = { ...process.env, PATH: dirname(binary) + delimiter + (process.env.PATH ?? '') }
  return {
    /** Runs the pinned Node on the terminal as it is, passes signals on, and gives its exit code. */
    node: args => run(binary, args, { env, stdio: 'inherit' }),
    /** Runs the pinned Node and keeps what it prints. */
    nodeOutput: args => captured(binary, args, env),
  }
}

function installModules() {
  const lock = join(ROOT, 'package-lock.json')
  const hash = createHash('sha256').update(readFileSync(lock)).digest('hex')
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === hash) return
  if (!installedByHand(lock)) {
    console.error('installing npm packages (npm ci)')
    // A production NODE_ENV would leave out the tools that build and test.
    const { status, error } = spawnSync('npm', ['ci', '--include=dev', '--no-audit', '--no-fund'], {
      cwd: ROOT,
      stdio: ['ignore', 2, 2],
      shell: process.platform === 'win32',
    })
    if (error !== undefined) throw new Refusal(`npm could not be run: ${error.message}`)
    if (status !== 0) throw new Refusal('npm ci failed; its messages are above. Nothing was started.')
  }
  writeFileSync(STAMP, hash)
}

/** True after the user's own `npm ci` or `npm install` of this very lock file: npm notes each in a hidden copy. */
function installedByHand(lock) {
  const note = join(ROOT, 'node_modules', '.package-lock.json')
  return !existsSync(STAMP) && existsSync(note) && statSync(note).mtimeMs >= statSync(lock).mtimeMs
}

function pinnedNode() {
  const pinned = join(ROOT, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin', 'node')
  if (existsSync(pinned)) return pinned
  if (Number(process.versions.node.split('.')[0]) >= NEEDED_NODE) return process.execPath
  throw new Refusal(
    `Node ${NEEDED_NODE} is needed: none is packaged for ${process.platform} on ${process.arch}, ` +
      `and the system's is ${process.versions.node}. Install Node ${NEEDED_NODE} or later and try again.`,
  )
}

function run(binary, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(binary, args, { cwd: ROOT, ...options })
    const forward = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'].map(signal => {
      const pass = () => child.kill(signal)
      process.on(signal, pass)
      return () => process.off(signal, pass)
    })
    child.once('error', reject)
    child.once('close', (code, signal) => {
      for (const stop of forward) stop()
      resolve(code ?? (signal === 'SIGINT' ? 130 : signal === 'SIGTERM' ? 143 : 1))
    })
  })
}

async function captured(binary, args, env) {
  const child = spawn(binary, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (output += data))
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', exit => resolve(exit ?? 1))
  })
  return { code, output }
}
