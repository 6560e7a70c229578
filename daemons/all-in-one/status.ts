import type { Metric } from '../../lib/kit/metric.ts'
import type { AdmissionFigures } from '../../lib/overload/admission.ts'
import type { RunningBono } from '../bono/bono.ts'
import type { RunningSprout } from '../sprout/sprout.ts'

/** The SIP daemons of a core, as far as they run. */
export interface SipParts {
  bono?: RunningBono
  sprout?: RunningSprout
}

type Counts = Readonly<Record<string, number>>

export interface CoreStatus extends Readonly<Record<string, unknown>> {
  /** Flows over which a phone has registered. */
  readonly clients: number
  /** Requests that wait for their final answer. */
  readonly openRequests: Counts
  /** How much is let in, and why; requests a second and microseconds. */
  readonly load: Readonly<Record<string, AdmissionFigures>>
  /** Targets that did not answer lately and are passed over. */
  readonly troubledPeers: Counts
  /** Messages that were read and wait to be looked at. */
  readonly waitingMessages: Counts
  /** What each SIP daemon has counted since the start. */
  readonly sip: Readonly<Record<string, Counts>>
}

export function statusOf(parts: SipParts): CoreStatus {
  const nodes = nodesOf(parts)
  return {
    clients: parts.bono?.flows.size ?? 0,
    openRequests: Object.fromEntries(nodes.map(([daemon, node]) => [daemon, node.openRequests])),
    load: Object.fromEntries(
      nodes.flatMap(([daemon, node]) => (node.load === undefined ? [] : [[daemon, node.load] as const])),
    ),
    troubledPeers: Object.fromEntries(nodes.map(([daemon, node]) => [daemon, node.peers.troubled])),
    waitingMessages: Object.fromEntries(nodes.map(([daemon, node]) => [daemon, node.waitingMessages])),
    sip: Object.fromEntries(nodes.map(([daemon, node]) => [daemon, { ...node.counts }])),
  }
}

export function metricsOf(parts: SipParts): readonly Metric[] {
  const { clients, openRequests, load, troubledPeers, waitingMessages, sip } = statusOf(parts)
  const figures = (pick: (figures: AdmissionFigures) => number): Metric['samples'] =>
    samplesOf(Object.fromEntries(Object.entries(load).map(([daemon, each]) => [daemon, pick(each)])))
  const counted = [...new Set(Object.values(sip).flatMap(counts => Object.keys(counts)))]
  return [
    {
      name: 'clearwater_clients',
      help: 'Flows over which a phone has registered.',
      type: 'gauge',
      samples: [{ value: clients }],
    },
    {
      name: 'clearwater_sip_open_requests',
      help: 'Requests that wait for their final answer.',
      type: 'gauge',
      samples: samplesOf(openRequests),
    },
    {
      name: 'clearwater_sip_waiting_messages',
      help: 'Messages that were read and wait to be looked at.',
      type: 'gauge',
      samples: samplesOf(waitingMessages),
    },
    {
      name: 'clearwater_sip_troubled_peers',
      help: 'Targets that did not answer lately and are passed over.',
      type: 'gauge',
      samples: samplesOf(troubledPeers),
    },
    {
      name: 'clearwater_overload_permitted_rate',
      help: 'Requests a second that are let in at present.',
      type: 'gauge',
      samples: figures(({ rate }) => rate),
    },
    {
      name: 'clearwater_overload_latency_microseconds',
      help: 'Mean latency of the last requests.',
      type: 'gauge',
      samples: figures(({ latencyUs }) => latencyUs),
    },
    {
      name: 'clearwater_overload_target_latency_microseconds',
      help: 'Latency above which requests are refused.',
      type: 'gauge',
      samples: figures(({ targetLatencyUs }) => targetLatencyUs),
    },
    {
      name: 'clearwater_overload_penalties_total',
      help: 'Times that a server behind has refused a request for its own load.',
      type: 'counter',
      samples: figures(({ penalties }) => penalties),
    },
    ...counted.map(name => ({
      name: `clearwater_sip_${snakeCase(name)}_total`,
      help: `SIP ${words(name)} since the start.`,
      type: 'counter' as const,
      samples: samplesOf(
        Object.fromEntries(Object.entries(sip).map(([daemon, counts]) => [daemon, counts[name] ?? 0])),
      ),
    })),
  ]
}

function nodesOf({ bono, sprout }: SipParts): readonly (readonly [string, RunningBono['node']])[] {
  return [
    ...(bono === undefined ? [] : [['bono', bono.node] as const]),
    ...(sprout === undefined ? [] : [['sprout', sprout.node] as const]),
  ]
}

function samplesOf(byDaemon: Counts): Metric['samples'] {
  return Object.entries(byDaemon).map(([daemon, value]) => ({ labels: { daemon }, value }))
}

function words(name: string): string {
  return name.replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`)
}

function snakeCase(name: string): string {
  return words(name).replaceAll(' ', '_')
}
