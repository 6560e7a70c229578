import { json, type HttpAnswer } from './message.ts'
import type { Metric } from '../kit/metric.ts'
import type { HttpServer } from './server.ts'

/** What a process tells those who watch it. */
export interface Monitored {
  /** False while it starts or stops. */
  readonly healthy: () => boolean
  /** Live state, for people. */
  readonly status: () => Readonly<Record<string, unknown>>
  /** Beside those of the process itself. */
  readonly metrics: () => readonly Metric[]
}

/**
 * Adds `GET /health` (200 or 503, JSON), `GET /status` (live state, JSON) and `GET /metrics` (Prometheus text format
 * 0.0.4).
 */
export function addMonitoringRoutes(server: HttpServer, monitored: Monitored): void {
  server.route('/health', {
    GET: () => {
      const healthy = monitored.healthy()
      return json({ status: healthy ? 'ok' : 'not ready', ...monitored.status() }, healthy ? 200 : 503)
    },
  })
  server.route('/status', { GET: () => json(monitored.status()) })
  server.route('/metrics', { GET: () => metricsText([...processMetrics(), ...monitored.metrics()]) })
}

function metricsText(metrics: readonly Metric[]): HttpAnswer {
  return {
    status: 200,
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    body: metrics.map(formatMetric).join(''),
  }
}

/** Labels and values are our own words, so nothing in them needs escaping but what `JSON.stringify` escapes. */
function formatMetric({ name, help, type, samples }: Metric): string {
  const lines = samples.map(({ labels = {}, value }) => {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}=${JSON.stringify(text)}`)
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}\n`
  })
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

/** Under the names that Prometheus clients have agreed on. */
function processMetrics(): readonly Metric[] {
  const { user, system } = process.cpuUsage()
  return [
    {
      name: 'process_cpu_seconds_total',
      help: 'Total user and system CPU time spent in seconds.',
      type: 'counter',
      samples: [{ value: (user + system) / 1e6 }],
    },
    {
      name: 'process_resident_memory_bytes',
      help: 'Resident memory size in bytes.',
      type: 'gauge',
      samples: [{ value: process.memoryUsage.rss() }],
    },
    {
      name: 'process_start_time_seconds',
      help: 'Start time of the process since unix epoch in seconds.',
      type: 'gauge',
      samples: [{ value: Math.round(performance.timeOrigin / 1000) }],
    },
  ]
}
