import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { attempt, tool } from './command.ts'

const BRIDGE = 'br0'
/** One of its own: else it has that of a host, another one when that goes, and its neighbours do not find it for half a minute. */
const BRIDGE_MAC = '02:00:5e:00:53:01'

/** Documentation addresses (RFC 5737): nothing on any real network has them. */
const PREFIX = '198.51.100'

/** The test's own addresses: where the apt proxy listens, and where phones can stand. */
export const OUTSIDE_ADDRESSES: readonly string[] = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(n => `${PREFIX}.${n}`)

/** The n-th host's address, from 1. */
export function hostAddress(index: number): string {
  return `${PREFIX}.${10 + index}`
}

/** The end of a host's cable at the bridge. */
export function cableOf(index: number): string {
  return `lab${index}`
}

/** Makes the bridge that joins hosts and tests. Cuts are pairs of cables over which nothing is forwarded. */
export async function openBridge(): Promise<void> {
  await tool('ip', 'link', 'set', 'lo', 'up')
  const options = ['stp_state', '0', 'mcast_snooping', '0', 'forward_delay', '0']
  await tool('ip', 'link', 'add', BRIDGE, 'address', BRIDGE_MAC, 'type', 'bridge', ...options)
  for (const address of OUTSIDE_ADDRESSES) await tool('ip', 'addr', 'add', `${address}/24`, 'dev', BRIDGE)
  await tool('ip', 'link', 'set', BRIDGE, 'up')
  await nft(`table bridge lab {
    set cut { type ifname . ifname; }
    chain forward {
      type filter hook forward priority 0; policy accept;
      iifname . oifname @cut drop
    }
  }`)
}

/** Removes the bridge and every host's network; what is not there is no trouble. */
export async function closeNetwork(): Promise<void> {
  for (const { ifname } of await listed<{ ifname: string }>('link')) {
    if (/^lab\d+$/.test(ifname)) await attempt('ip', 'link', 'del', ifname)
  }
  for (const { name } of await listed<{ name: string }>('netns')) await attempt('ip', 'netns', 'del', name)
  await attempt('ip', 'link', 'del', BRIDGE)
  await attempt('nft', 'delete', 'table', 'bridge', 'lab')
}

/** Gives a host a network namespace with one interface, always the same to its neighbours. */
export async function connectHost(host: string, index: number): Promise<void> {
  await tool('ip', 'netns', 'add', host)
  // Neighbours remember the hardware address of a host over its reboots.
  const mac = `02:00:5e:00:53:${(10 + index).toString(16).padStart(2, '0')}`
  const peer = ['peer', 'name', 'eth0', 'netns', host, 'address', mac]
  await tool('ip', 'link', 'add', cableOf(index), 'type', 'veth', ...peer)
  await tool('ip', 'link', 'set', cableOf(index), 'master', BRIDGE, 'up')
  await tool('ip', '-netns', host, 'link', 'set', 'lo', 'up')
  await tool('ip', '-netns', host, 'addr', 'add', `${hostAddress(index)}/24`, 'dev', 'eth0')
  await tool('ip', '-netns', host, 'link', 'set', 'eth0', 'up')
  await tool('ip', '-netns', host, 'route', 'add', 'default', 'via', `${PREFIX}.1`)
}

/** Takes the network away from a host whose processes have ended; what is not there is no trouble. */
export async function disconnectHost(host: string, index: number): Promise<void> {
  // The kernel takes its time over a namespace, and the cable's name shall be free at once.
  await attempt('ip', 'link', 'del', cableOf(index))
  await attempt('ip', 'netns', 'del', host)
}

/** Plugs a host's cable in or out, at the bridge. */
export async function setCable(index: number, state: 'up' | 'down'): Promise<void> {
  await tool('ip', 'link', 'set', cableOf(index), state)
}

/** Drops what would go from one host to another; the way back is another cut. */
export async function addCut(from: number, to: number): Promise<void> {
  await nft(`add element bridge lab cut { "${cableOf(from)}" . "${cableOf(to)}" }`)
}

/** Ends all cuts. */
export async function clearCuts(): Promise<void> {
  await nft('flush set bridge lab cut')
}

async function listed<T>(what: string): Promise<T[]> {
  const text = (await tool('ip', '-json', what)).trim()
  return JSON.parse(text === '' ? '[]' : text) as T[]
}

async function nft(commands: string): Promise<void> {
  const child = spawn('nft', ['-f', '-'], { stdio: ['pipe', 'ignore', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', data => (complaint += String(data)))
  child.stdin.end(commands)
  const [code] = (await once(child, 'close')) as [number]
  if (code !== 0) throw new Error(`nft refused: ${complaint}`)
}
