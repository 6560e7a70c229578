import type { Row } from './report.ts'
import { spreadOf } from './statistics.ts'

export interface Speed {
  /** A second. */
  readonly rate: number
  /** Median, in milliseconds. */
  readonly latency: number
}

/** Does something for each number below `count`, so many at one time. */
export async function timed(
  count: number,
  atOnce: number,
  work: (index: number) => Promise<void>,
): Promise<Speed> {
  const latencies: number[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      const begun = performance.now()
      await work(next++)
      latencies.push(performance.now() - begun)
    }
  }
  const begun = performance.now()
  await Promise.all(Array.from({ length: atOnce }, worker))
  return { rate: (count / (performance.now() - begun)) * 1000, latency: spreadOf(latencies).median }
}

export function speedRows(what: string, { rate, latency }: Speed, atOnce: number): Row[] {
  return [
    { what, unit: '1/s', values: { clearwater: [rate] } },
    { what: `${what}: median time, ${atOnce} at once`, unit: 'ms', values: { clearwater: [latency] } },
  ]
}
