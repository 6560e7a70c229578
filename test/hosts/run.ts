// Runs a command on the pinned Node inside the lab: alone with its hosts, in namespaces that end with it.
// usage: node test/hosts/run.ts vitest.mjs run --project hosts …
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitUntil } from '../support/wait.ts'
import { APT_PROXY_PORT, AptProxy } from './lab/apt-proxy.ts'
import { removeAllGroups } from './lab/cgroup.ts'
import { networkNamespace, RUN, STORE, toVariables } from './lab/environment.ts'
import { openImages } from './lab/image.ts'
import { OUTSIDE_ADDRESSES } from './lab/network.ts'

const INOTIFY_LIMIT = '/proc/sys/fs/inotify/max_user_instances'
const INOTIFY_NEEDED = 1024

process.exitCode = await main(process.argv.slice(2))

async function main(command: readonly string[]): Promise<number> {
  mkdirSync(STORE, { recursive: true, mode: 0o755 })
  const lock = await lockStore()
  try {
    // An aborted run may have left either behind.
    await cleanUp()
    const restoreLimit = raiseInotifyLimit()
    try {
      await using proxy = await AptProxy.start()
      const proxyInLab = `http://${OUTSIDE_ADDRESSES[0] ?? ''}:${APT_PROXY_PORT}`
      const layers = await openImages({ proxyHere: proxy.url, proxyInLab })
      return await enter(command, toVariables({ layers, outside: networkNamespace() }))
    } finally {
      restoreLimit()
      await cleanUp()
    }
  } finally {
    lock.stdin?.end()
  }
}

/** Ends with everything that was started inside, whether this process ends well, by a signal or by SIGKILL. */
async function enter(command: readonly string[], variables: Record<string, string>): Promise<number> {
  const namespaces = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc']
  const inside = ['sh', join(import.meta.dirname, 'inside.sh'), process.execPath, ...command]
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...namespaces, ...inside], {
    stdio: 'inherit',
    env: { ...process.env, ...variables },
  })
  // unshare itself ignores a polite request. The terminal's Ctrl-C reaches the tests without us.
  const end = () => child.kill('SIGKILL')
  process
    .on('SIGTERM', end)
    .on('SIGHUP', end)
    .on('SIGINT', () => undefined)
  const [code] = (await once(child, 'close')) as [number | null]
  return code ?? 143
}

/** Waits until no other lab runs on this machine. The lock goes with the child's input, and so with this process. */
async function lockStore(): Promise<ChildProcess> {
  const holder = spawn('flock', [join(STORE, 'lock'), 'sh', '-c', 'echo locked; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const notice = setTimeout(() => {
    console.log('lab: waiting for another run to end')
  }, 1000)
  await once(holder.stdout, 'data')
  clearTimeout(notice)
  return holder
}

async function cleanUp(): Promise<void> {
  await removeAllGroups()
  // What was mounted below goes a moment after the last process that could see it.
  await waitUntil(`${RUN} to be free`, () => {
    rmSync(RUN, { recursive: true, force: true })
    return true
  })
}

/** Each host's systemd wants some, and all hosts draw from one account. */
function raiseInotifyLimit(): () => void {
  const before = readFileSync(INOTIFY_LIMIT, 'utf8').trim()
  if (Number(before) >= INOTIFY_NEEDED) return () => undefined
  writeFileSync(INOTIFY_LIMIT, `${INOTIFY_NEEDED}`)
  return () => {
    writeFileSync(INOTIFY_LIMIT, before)
  }
}
