import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startConfigManager } from '../../daemons/config-manager/config-manager.ts'
import { startQueueManager } from '../../daemons/queue-manager/queue-manager.ts'
import type { RunningFollower } from '../../lib/http/follower.ts'
import type { EtcdClient } from '../../lib/etcd/client.ts'
import { nodeReportKey } from '../../lib/etcd/layout.ts'
import { parseNodeReport, type NodeReport } from '../../lib/etcd/node-report.ts'
import { millis, seconds, TimerWheel } from '../../lib/kit/clock.ts'
import { noLog } from '../../lib/kit/log.ts'
import { NodeUnits } from './node-units.ts'
import { waitUntil } from './wait.ts'

/** The site of all such nodes. */
export const SITE = 'site1'

const clock = new TimerWheel(error => {
  throw error
})

/** A node with both followers of etcd, a folder in place of /etc/clearwater, and daemons that note what happens. */
export class FollowingNode {
  readonly units: NodeUnits
  readonly #etcd: EtcdClient
  readonly #folder: string
  readonly #address: string
  #config: RunningFollower | undefined
  #queue: RunningFollower | undefined

  constructor(etcd: EtcdClient, folder: string, address: string, ...daemons: readonly string[]) {
    this.#etcd = etcd
    this.#folder = join(folder, address)
    this.#address = address
    this.units = new NodeUnits(...daemons)
    mkdirSync(join(this.#folder, 'etc'), { recursive: true })
  }

  get queueId(): string {
    return `${this.#address}-node`
  }

  async startConfig(): Promise<void> {
    this.#config = await startConfigManager(
      {
        site: SITE,
        node: `node-${this.#address}`,
        address: this.#address,
        queueId: this.queueId,
        configDir: join(this.#folder, 'etc'),
        stateDir: join(this.#folder, 'state'),
        bind: '127.0.0.1',
        port: 0,
        checkEvery: millis(100),
      },
      { clock, log: noLog, etcd: this.#etcd, units: this.units, ask: this.units.ask },
    )
  }

  async startQueue(silent = seconds(60)): Promise<void> {
    this.#queue = await startQueueManager(
      {
        site: SITE,
        queueId: this.queueId,
        bind: '127.0.0.1',
        port: 0,
        patience: { healthy: seconds(2), settled: millis(100), silent },
      },
      { clock, log: noLog, etcd: this.#etcd, units: this.units, isHealthy: this.units.isHealthy },
    )
  }

  async stop(): Promise<void> {
    await this.#config?.close()
    await this.#queue?.close()
    this.#config = undefined
    this.#queue = undefined
  }

  file(name: string): string {
    return readFileSync(join(this.#folder, 'etc', name), 'utf8')
  }

  edit(name: string, text: string): void {
    writeFileSync(join(this.#folder, 'etc', name), text)
  }

  get files(): readonly string[] {
    return readdirSync(join(this.#folder, 'etc')).sort()
  }

  async report(): Promise<NodeReport | undefined> {
    const found = await this.#etcd.get(nodeReportKey(SITE, this.#address))
    return found === undefined ? undefined : parseNodeReport(found.value.toString())
  }

  /** Waits until the report is as `isSo` wants it. */
  reports(what: string, isSo: (report: NodeReport) => boolean): Promise<NodeReport> {
    return waitUntil(what, async () => {
      const report = await this.report()
      return report !== undefined && isSo(report) ? report : undefined
    })
  }

  async monitoring(path: string, which: 'config' | 'queue' = 'config'): Promise<string> {
    const port = which === 'config' ? this.#config?.port : this.#queue?.port
    return (await fetch(`http://127.0.0.1:${port ?? 0}${path}`)).text()
  }
}
