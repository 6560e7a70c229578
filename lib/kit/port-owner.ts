import { readdir, readFile, readlink } from 'node:fs/promises'
import { isIPv6, SocketAddress } from 'node:net'
import { basename } from 'node:path'

/** Who holds a port, as far as this user may see. */
export interface PortOwner {
  readonly uid: number
  /** Absent for a process of another user, whose open files cannot be looked at. */
  readonly pid?: number
  /** Program and first arguments, without their folders. */
  readonly command?: string
}

interface BoundSocket {
  readonly address: string
  readonly uid: number
  readonly inode: string
}

const LISTENING = { tcp: '0A', udp: '07' } as const

/**
 * The process that keeps us from binding an address and port: one that holds exactly this, or either of them on all
 * addresses. Reads `/proc`; elsewhere, and when it has gone meanwhile, undefined.
 */
export async function portOwner(
  protocol: 'udp' | 'tcp',
  address: string,
  port: number,
): Promise<PortOwner | undefined> {
  const tables = await Promise.all(
    [protocol, `${protocol}6`].map(async name =>
      boundSockets(await readText(`/proc/net/${name}`), port, protocol),
    ),
  )
  const wanted = plainAddress(address)
  const socket = tables.flat().find(({ address: held }) => held === wanted || isAny(held) || isAny(wanted))
  if (socket === undefined) return undefined
  const pid = await pidOf(socket.inode)
  if (pid === undefined) return { uid: socket.uid }
  return { uid: socket.uid, pid, command: await commandOf(pid) }
}

/**
 * The rows of a `/proc/net` socket table that are bound to a port and, for TCP, listen.
 *
 * @param table the file's text; its layout is that of proc(5)
 */
export function boundSockets(table: string, port: number, protocol: 'udp' | 'tcp'): BoundSocket[] {
  const sockets: BoundSocket[] = []
  for (const row of table.split('\n').slice(1)) {
    const [, local = '', , state, , , , uid, , inode] = row.trim().split(/\s+/)
    const [address = '', portInHex = ''] = local.split(':')
    if (state !== LISTENING[protocol] || inode === undefined || Number.parseInt(portInHex, 16) !== port)
      continue
    sockets.push({ address: addressFromProc(address), uid: Number(uid), inode })
  }
  return sockets
}

/** The kernel prints each 32-bit word of the address as this machine's own number: little-endian on all we run on. */
function addressFromProc(hex: string): string {
  const octets = Buffer.from(hex, 'hex')
  if (octets.length !== 4 && octets.length !== 16) return ''
  octets.swap32()
  if (octets.length === 4) return octets.join('.')
  const groups = Array.from({ length: 8 }, (_, i) => octets.readUInt16BE(2 * i).toString(16))
  return plainAddress(groups.join(':'))
}

function plainAddress(address: string): string {
  const plain = isIPv6(address) ? new SocketAddress({ address, family: 'ipv6' }).address : address
  return plain.startsWith('::ffff:') ? plain.slice('::ffff:'.length) : plain
}

const isAny = (address: string): boolean => address === '0.0.0.0' || address === '::'

async function pidOf(inode: string): Promise<number | undefined> {
  const link = `socket:[${inode}]`
  for (const pid of await entries('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    for (const fd of await entries(`/proc/${pid}/fd`)) {
      const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')
      if (target === link) return Number(pid)
    }
  }
  return undefined
}

/** From the command line, since every Node process names itself MainThread. No further than where secrets may stand. */
async function commandOf(pid: number): Promise<string> {
  const words = (await readText(`/proc/${pid}/cmdline`)).split('\0').slice(0, 3)
  return words
    .map(word => basename(word))
    .join(' ')
    .trim()
}

// What cannot be read says nothing: a process has ended, belongs to somebody else, or there is no /proc.
const entries = (directory: string): Promise<string[]> => readdir(directory).catch(() => [])
const readText = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '')
