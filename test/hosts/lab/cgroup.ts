import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitUntil } from '../../support/wait.ts'

const MOUNT = '/sys/fs/cgroup'
const GROUP = 'clearwater-lab'

/** Hierarchies of version 1 in which a host gets a group; the others cannot tell hosts apart for us. */
const CONTROLLERS = ['pids', 'cpu', 'memory', 'systemd']

/** A host's own control groups: one in the unified hierarchy, and one in each old one that the machine has. */
export class HostGroups {
  readonly folders: readonly string[]
  readonly #unified: string

  /** Makes the groups, empty and not frozen. */
  constructor(host: string) {
    const { unified, others } = hierarchies()
    this.#unified = join(unified, GROUP, host)
    this.folders = [this.#unified, ...others.map(folder => join(folder, GROUP, host))]
    for (const folder of this.folders) mkdirSync(folder, { recursive: true })
  }

  freeze(frozen: boolean): Promise<void> {
    writeFileSync(join(this.#unified, 'cgroup.freeze'), frozen ? '1' : '0')
    return waitUntil('a host to freeze or thaw', () => {
      return readFileSync(join(this.#unified, 'cgroup.events'), 'latin1').includes(`frozen ${frozen ? 1 : 0}`)
    }).then(() => undefined)
  }

  /** Ends every process of the host at once, frozen or not, and removes the groups. */
  async kill(): Promise<void> {
    for (const folder of this.folders) await removeGroup(folder)
  }
}

/** Ends whatever an aborted lab has left running, and removes its groups. */
export async function removeAllGroups(): Promise<void> {
  const { unified, others } = hierarchies()
  for (const folder of [unified, ...others]) await removeGroup(join(folder, GROUP))
}

async function removeGroup(folder: string): Promise<void> {
  if (!existsSync(folder)) return
  const kill = join(folder, 'cgroup.kill')
  if (existsSync(kill)) writeFileSync(kill, '1')
  // A group can go when its last process has been reaped, which takes a moment.
  await waitUntil(`${folder} to be empty`, () => {
    removeTree(folder)
    return true
  })
}

function removeTree(folder: string): void {
  if (!existsSync(folder)) return
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeTree(join(folder, entry.name))
  }
  rmdirSync(folder)
}

/** The folders of this process's own group in each hierarchy: limits that hold for us hold for the hosts as well. */
function hierarchies(): { unified: string; others: string[] } {
  const others: string[] = []
  let unified = MOUNT
  for (const line of readFileSync('/proc/self/cgroup', 'utf8').trim().split('\n')) {
    const [, id = '', controllers = '', path = ''] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? []
    if (id === '0') {
      const hybrid = join(MOUNT, 'unified')
      unified = join(existsSync(hybrid) ? hybrid : MOUNT, path)
    } else if (CONTROLLERS.some(name => controllers.replace('name=', '').split(',').includes(name))) {
      others.push(join(MOUNT, controllers.replace('name=', ''), path))
    }
  }
  return { unified, others }
}
