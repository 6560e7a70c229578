import type { EtcdClient } from '../../lib/etcd/client.ts'
import type { Lease } from '../../lib/etcd/lease.ts'
import { formatNodeReport, type NodeReport } from '../../lib/etcd/node-report.ts'
import { seconds, type Clock, type Timer } from '../../lib/kit/clock.ts'

export interface ReporterParts {
  readonly etcd: Pick<EtcdClient, 'grantLease' | 'put'>
  readonly clock: Clock
  readonly key: string
}

/** A node that is silent for so long is taken for down. */
const TTL_SECONDS = 60
const RETRY = seconds(5)

/** Keeps a node's report in etcd as it is now, for as long as this process lives. */
export class Reporter {
  readonly #parts: ReporterParts
  #lease: Lease | undefined
  #wanted: NodeReport | undefined
  /** What stands in etcd, as far as is known. */
  #published: string | undefined
  #busy: Promise<void> | undefined
  #retry: Timer | undefined
  #closed = false

  constructor(parts: ReporterParts) {
    this.#parts = parts
  }

  /** Makes this the report, now or when etcd can be reached again. Only a difference beyond its time is written. */
  publish(report: Omit<NodeReport, 'at'>): void {
    const at = new Date(this.#parts.clock.now()).toISOString()
    if (this.#wanted !== undefined && sameBut(this.#wanted, report)) return
    this.#wanted = { ...report, at }
    this.#start()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#retry?.cancel()
    await this.#busy
    await this.#lease?.revoke().catch(() => undefined)
  }

  #start(): void {
    if (this.#closed || this.#busy !== undefined) return
    this.#retry?.cancel()
    this.#busy = this.#write().finally(() => {
      this.#busy = undefined
    })
  }

  async #write(): Promise<void> {
    try {
      while (this.#wanted !== undefined && !this.#closed) {
        const text = formatNodeReport(this.#wanted)
        if (text === this.#published) return
        const lease = await this.#leased()
        await this.#parts.etcd.put(this.#parts.key, text, { lease })
        if (!lease.lost.aborted) this.#published = text
      }
    } catch {
      // Not to be reached, or a lease that has just ended: everything is tried anew.
      this.#published = undefined
      this.#retry = this.#parts.clock.after(RETRY, () => {
        this.#start()
      })
    }
  }

  async #leased(): Promise<Lease> {
    if (this.#lease !== undefined && !this.#lease.lost.aborted) return this.#lease
    const lease = await this.#parts.etcd.grantLease(TTL_SECONDS)
    this.#lease = lease
    lease.lost.addEventListener('abort', () => {
      this.#published = undefined
      this.#start()
    })
    return lease
  }
}

function sameBut(before: NodeReport, now: Omit<NodeReport, 'at'>): boolean {
  return JSON.stringify({ ...before, at: '' }) === JSON.stringify({ ...now, at: '' })
}
