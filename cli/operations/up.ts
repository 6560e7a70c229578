import { networkInterfaces } from 'node:os'
import { isIP } from 'node:net'
import {
  startAllInOne,
  type AllInOneOptions,
  type AllInOnePorts,
} from '../../daemons/all-in-one/all-in-one.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { readyCheck } from './ready.ts'

const LOOPBACK = '127.0.0.1'
const READY_WITHIN_MS = 15_000

export interface UpOptions extends Omit<AllInOneOptions, 'advertise'> {
  /** Absent: `bind`, or this machine's own address if that is a wildcard. */
  readonly advertise: string | undefined
}

/** A core that answers. */
export interface RunningCore {
  readonly ports: AllInOnePorts
  /** The address that phones are set to. */
  readonly address: string
  /** From the start of the process. */
  readonly readyAfterMs: number
  close(): Promise<void>
}

/** Starts the whole core and returns once each of its doors has answered. */
export async function startCore(options: UpOptions): Promise<RunningCore> {
  requireAddress('--bind', options.bind)
  const advertise = options.advertise ?? ownAddress(options.bind)
  requireAddress('--advertise', advertise)

  const core = await startAllInOne({ ...options, advertise })
  const edge = isWildcard(options.bind) ? LOOPBACK : options.bind
  const { ports } = core
  try {
    await readyCheck(
      [
        { name: 'bono', kind: 'sip', host: edge, port: ports.client, selfName: advertise },
        { name: 'sprout', kind: 'sip', host: LOOPBACK, port: ports.scscf },
        { name: 'homestead', kind: 'http', host: LOOPBACK, port: ports.homestead },
        { name: 'homestead-prov', kind: 'http', host: LOOPBACK, port: ports.provisioning },
        { name: 'homer', kind: 'http', host: LOOPBACK, port: ports.homer },
      ],
      READY_WITHIN_MS,
    )
  } catch (error) {
    await core.close()
    throw error
  }
  return { ports, address: advertise, readyAfterMs: performance.now(), close: () => core.close() }
}

function requireAddress(option: string, address: string): void {
  if (isIP(address) !== 0) return
  throw new CwError('OPTION_INVALID', `${option} "${address}" is no IP address`, {
    changed: 'nothing',
    remedies: [`give an address of this machine, e.g. ${option} 127.0.0.1`],
  })
}

/** What others call the address that is listened on: a wildcard is nothing to send to. */
function ownAddress(bind: string): string {
  if (!isWildcard(bind)) return bind
  const family = bind === '::' ? 'IPv6' : 'IPv4'
  const addresses = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  const outside = addresses.find(
    each => !each.internal && each.family === family && !each.address.startsWith('fe80:'),
  )
  return outside?.address ?? (family === 'IPv6' ? '::1' : LOOPBACK)
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}
