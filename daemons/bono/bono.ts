import type { Clock } from '../../lib/kit/clock.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { ServicePoint } from '../../lib/sip/exchange.ts'
import type { LocalNet } from '../../lib/sip/local-net.ts'
import { SipNode, type NodeProtection } from '../../lib/sip/node.ts'
import type { Resolver } from '../../lib/sip/resolver.ts'
import { RFC_TIMERS } from '../../lib/sip/transaction/timers.ts'
import { TcpTransport } from '../../lib/sip/transport/tcp.ts'
import { UdpTransport } from '../../lib/sip/transport/udp.ts'
import type { Transport } from '../../lib/sip/transport/flow.ts'
import { WsTransport } from '../../lib/sip/transport/ws.ts'
import type { FlowStore } from '../../lib/store/flow-store.ts'
import { Edge } from './edge.ts'
import { FlowTable } from './flows.ts'
import type { BonoOptions } from './options.ts'
import { Quiescence } from './quiescence.ts'

/** What bono works with; the embedded ones of one machine or those of a deployment. */
export interface BonoSurroundings {
  readonly clock: Clock
  readonly log: Log
  readonly net: LocalNet
  readonly resolver: Resolver
  readonly protection?: NodeProtection
  readonly flowStore: FlowStore
  /** Key of flow tokens; kept over restarts. */
  readonly secret: string
}

export interface RunningBono {
  readonly node: SipNode
  readonly flows: FlowTable
  readonly quiescence: Quiescence
  /** Finishes what is under way, at most until the deadline (Unix ms), and closes the ports. */
  close(deadline: number): Promise<void>
}

/**
 * Opens the edge proxy's ports: 5060 UDP and TCP and 5062 WebSocket for clients, 5058 UDP and TCP for the core.
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED, ADDRESS_NOT_LOCAL
 */
export async function startBono(options: BonoOptions, around: BonoSurroundings): Promise<RunningBono> {
  const { clock, net, resolver } = around
  const log = around.log.with({ daemon: 'bono' })
  const node = new SipNode({ clock, timers: RFC_TIMERS, log, net, resolver, ...around.protection })
  const udpPoints = new Map<string, Transport>()
  const flows = new FlowTable({
    clock,
    store: around.flowStore,
    secret: around.secret,
    udpFlow: (point, address, port) => udpPoints.get(point)?.flowTo(address, port),
  })
  const edge = new Edge(options, node, flows)
  const doors: Transport[] = []

  const { ports, publicHost, localHost } = options
  const untrusted: ServicePoint = { name: 'untrusted', host: publicHost, port: ports.untrusted }
  const websocket: ServicePoint = { name: 'websocket', host: publicHost, port: ports.websocket }
  const trusted: ServicePoint = { name: 'trusted', host: localHost, port: ports.trusted }
  const outside = (point: ServicePoint) => ({
    point,
    handle: (exchange: Parameters<Edge['fromOutside']>[0]) => edge.fromOutside(exchange),
    turnsAway: (...arrived: Parameters<Edge['turnsAway']>) => edge.turnsAway(...arrived),
  })
  const core = {
    point: trusted,
    handle: (exchange: Parameters<Edge['fromCore']>[0]) => edge.fromCore(exchange),
  }
  try {
    const outer = { address: options.bindAddress, clock }
    const inner = { address: options.innerAddress, clock }
    const udp = await node.listen(
      events => UdpTransport.open({ ...outer, name: 'untrusted', port: ports.untrusted, events }),
      outside(untrusted),
    )
    udpPoints.set('untrusted', udp)
    const tcp = await node.listen(
      events => TcpTransport.open({ ...outer, name: 'untrusted', port: ports.untrusted, events }),
      outside(untrusted),
    )
    const ws = await node.listen(
      events => WsTransport.open({ ...outer, name: 'websocket', port: ports.websocket, events }),
      outside(websocket),
    )
    doors.push(tcp, ws)
    await node.listen(
      events => UdpTransport.open({ ...inner, name: 'trusted', port: ports.trusted, events }),
      core,
      true,
    )
    await node.listen(
      events => TcpTransport.open({ ...inner, name: 'trusted', port: ports.trusted, events }),
      core,
      true,
    )
  } catch (error) {
    await node.close(0)
    throw error
  }
  net.announce(localHost, ports.trusted, core)
  log.info('bono is ready', { ports })
  const quiescence = new Quiescence({ log, edge, node, doors })
  return { node, flows, quiescence, close: deadline => node.close(deadline) }
}
