import type { Metric } from '../../lib/kit/metric.ts'

/** A figure of astaire that is one number. */
export function figure(name: string, type: Metric['type'], help: string, value: number): Metric {
  return { name: `clearwater_astaire_${name}`, type, help, samples: [{ value }] }
}
