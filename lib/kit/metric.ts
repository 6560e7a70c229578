/** One figure in the Prometheus model; a counter only ever grows. */
export interface Metric {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly samples: readonly Sample[]
}

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

/** A figure that only grows; its name gets what all of ours have around it. */
export function counter(name: string, help: string, samples: Metric['samples']): Metric {
  return { name: `clearwater_${name}_total`, help, type: 'counter', samples }
}
