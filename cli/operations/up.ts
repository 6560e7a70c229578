import { isIPv6 } from 'node:net'
import { startAllInOne, type AllInOneOptions } from '../../daemons/all-in-one/all-in-one.ts'
import type { CorePorts } from '../../lib/config/ports.ts'
import { LOOPBACK, LOOPBACK_6 } from '../../lib/kit/address.ts'
import { ownAddress, reachableHere, requireAddress } from './addresses.ts'
import { readyCheck } from './ready.ts'

const READY_WITHIN_MS = 15_000

export interface UpOptions extends Omit<AllInOneOptions, 'advertise'> {
  /** Absent: `bind`, or this machine's own address if that is a wildcard. */
  readonly advertise: string | undefined
}

/** A core that answers. */
export interface RunningCore {
  readonly ports: CorePorts
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
  const edge = reachableHere(options.bind)
  const inner = isIPv6(edge) ? LOOPBACK_6 : LOOPBACK
  const { ports } = core
  try {
    await readyCheck(
      [
        { name: 'bono', kind: 'sip', host: edge, port: ports.client, selfName: advertise },
        { name: 'sprout', kind: 'sip', host: inner, port: ports.scscf },
        { name: 'homestead', kind: 'http', host: LOOPBACK, port: ports.homestead },
        { name: 'homestead-prov', kind: 'http', host: LOOPBACK, port: ports.provisioning },
        { name: 'homer', kind: 'http', host: LOOPBACK, port: ports.homer },
        { name: 'memento', kind: 'http', host: LOOPBACK, port: ports.callLists },
      ],
      READY_WITHIN_MS,
    )
  } catch (error) {
    await core.close()
    throw error
  }
  return { ports, address: advertise, readyAfterMs: performance.now(), close: () => core.close() }
}
