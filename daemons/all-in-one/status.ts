import type { Metric } from '../../lib/http/monitoring.ts'
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
  /** What each SIP daemon has counted since the start. */
  readonly sip: Readonly<Record<string, Counts>>
}

export function statusOf(parts: SipParts): CoreStatus {
  const nodes = nodesOf(parts)
  return {
    clients: parts.bono?.flows.size ?? 0,
    openRequests: Object.fromEntries(nodes.map(([daemon, node]) => [daemon, node.openRequests])),
    sip: Object.fromEntries(nodes.map(([daemon, node]) => [daemon, { ...node.counts }])),
  }
}

export function metricsOf(parts: SipParts): readonly Metric[] {
  const { clients, openRequests, sip } = statusOf(parts)
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
