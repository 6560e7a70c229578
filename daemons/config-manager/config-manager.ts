import { mkdir } from 'node:fs/promises'
import type { SharedFileName } from '../../lib/config/shared-file.ts'
import type { EtcdClient } from '../../lib/etcd/client.ts'
import { configurationKey, configurationPrefix, nodeReportKey, SHARED_FILES } from '../../lib/etcd/layout.ts'
import type { FileReport } from '../../lib/etcd/node-report.ts'
import type { WatchEvent } from '../../lib/etcd/watch.ts'
import { startFollower, type Follower, type RunningFollower } from '../../lib/http/follower.ts'
import type { Metric } from '../../lib/kit/metric.ts'
import { seconds, type Clock, type Duration, type Timer } from '../../lib/kit/clock.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { Units } from '../../lib/kit/units.ts'
import { Applier } from './applier.ts'
import type { AskReading } from './daemon-reading.ts'
import type { Target } from './kept-file.ts'
import { Reporter } from './reporter.ts'

export interface ConfigManagerOptions {
  readonly site: string
  /** The node's own name, as its report says it. */
  readonly node: string
  /** Its management address: its report's key. */
  readonly address: string
  /** The node in the queue of restarts: `<management address>-<node type>`. */
  readonly queueId: string
  /** `/etc/clearwater`. */
  readonly configDir: string
  /** `/var/lib/clearwater/config-manager`; made if it is not there. */
  readonly stateDir: string
  readonly bind: string
  /** 9071; 0 takes a free one. */
  readonly port: number
  /** How often the files are looked at for edits by hand. Default 10 s. */
  readonly checkEvery?: Duration
}

export interface ConfigManagerParts {
  readonly clock: Clock
  readonly log: Log
  /** Closed by the caller. */
  readonly etcd: EtcdClient
  readonly units: Units
  /** Asks a daemon of this node what it made of its files. */
  readonly ask: AskReading
}

/**
 * Starts the follower of the shared configuration on this node: what etcd says comes into the files, and the daemons
 * that use it get to know. It answers before it has learned anything, and waits for an etcd that is not there yet.
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED or ADDRESS_NOT_LOCAL
 */
export async function startConfigManager(
  options: ConfigManagerOptions,
  parts: ConfigManagerParts,
): Promise<RunningFollower> {
  await mkdir(options.stateDir, { recursive: true, mode: 0o750 })
  const applier = await Applier.open({ ...parts, ...options }, options.configDir, options.stateDir)
  const manager = new ConfigManager(options, parts, applier)
  const { bind, port } = options
  return startFollower(manager, { name: 'config-manager', log: parts.log, bind, port })
}

const CHECK_EVERY = seconds(10)
const RETRY = seconds(5)

class ConfigManager implements Follower {
  readonly #options: ConfigManagerOptions
  readonly #parts: ConfigManagerParts
  readonly #applier: Applier
  readonly #reporter: Reporter
  readonly #stop = new AbortController()
  readonly #targets = new Map<SharedFileName, Target>()
  /** Files by their key. */
  readonly #names: ReadonlyMap<string, SharedFileName>
  #learned = false
  #connected = false
  /** What keeps the node from what etcd says, as far as it is not the files' own fault. */
  #problem: string | undefined
  #due = false
  #applying: Promise<void> | undefined
  #next: Timer | undefined

  constructor(options: ConfigManagerOptions, parts: ConfigManagerParts, applier: Applier) {
    this.#options = options
    this.#parts = parts
    this.#applier = applier
    this.#reporter = new Reporter({ ...parts, key: nodeReportKey(options.site, options.address) })
    this.#names = new Map(SHARED_FILES.map(name => [configurationKey(options.site, name), name]))
  }

  /** A node goes on with the files it has while etcd is away, so that is no fault of this daemon. */
  get isWorking(): boolean {
    return !this.#stop.signal.aborted
  }

  async follow(): Promise<void> {
    const events = this.#parts.etcd.watchPrefix(configurationPrefix(this.#options.site), {
      signal: this.#stop.signal,
      onConnection: (connected, reason) => {
        this.#connected = connected
        if (connected) this.#parts.log.info('etcd answers again')
        else this.#parts.log.warn('etcd does not answer; the node goes on with what it has', { reason })
      },
    })
    for await (const event of events) {
      this.#connected = true
      this.#learn(event)
      this.#apply()
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#next?.cancel()
    await this.#applying
    await this.#reporter.close()
  }

  status(): Readonly<Record<string, unknown>> {
    const { site, node, queueId } = this.#options
    const etcd = this.#connected ? 'connected' : 'unreachable'
    const problem = this.#problem === undefined ? {} : { problem: this.#problem }
    return { site, node, queueId, etcd, learned: this.#learned, ...problem, ...this.#applier.report() }
  }

  metrics(): readonly Metric[] {
    const { files, faults } = this.#applier.report()
    const each = (value: (report: FileReport) => number): Metric['samples'] =>
      Object.entries(files).map(([file, report]) => ({ labels: { file }, value: value(report) }))
    return [
      gauge('etcd_connected', 'Whether changes in etcd are seen.', [{ value: Number(this.#connected) }]),
      gauge(
        'revision',
        'Revision in etcd that was taken last.',
        each(report => report.revision),
      ),
      gauge(
        'refused',
        'Whether etcd has an invalid text.',
        each(report => Number(report.refused !== undefined)),
      ),
      gauge(
        'drift',
        'Whether the file was edited by hand.',
        each(report => Number(report.drift !== undefined)),
      ),
      gauge('faults', 'What did not work at the last change.', [{ value: faults.length }]),
    ]
  }

  #learn(event: WatchEvent): void {
    if (event.kind === 'snapshot') {
      this.#targets.clear()
      for (const { key, value, revision } of event.items) this.#set(key, value, revision)
      this.#learned = true
    } else if (event.kind === 'put') {
      this.#set(event.item.key, event.item.value, event.item.revision)
    } else {
      const name = this.#names.get(event.key)
      if (name !== undefined) this.#targets.delete(name)
    }
  }

  #set(key: string, value: Buffer, revision: number): void {
    const name = this.#names.get(key)
    if (name !== undefined) this.#targets.set(name, { text: value.toString(), revision })
  }

  /** Applies what is known now; what comes meanwhile is applied right after, all of it at once. */
  #apply(): void {
    this.#due = true
    this.#next?.cancel()
    if (this.#stop.signal.aborted) return
    this.#applying ??= this.#applyAll().finally(() => {
      this.#applying = undefined
      if (this.#due) this.#apply()
    })
  }

  async #applyAll(): Promise<void> {
    this.#due = false
    let again = this.#options.checkEvery ?? CHECK_EVERY
    try {
      await this.#applier.apply(new Map(this.#targets))
      this.#problem = undefined
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error)
      this.#parts.log.error('the shared configuration could not be applied; it is tried again', { error })
      again = RETRY
    }
    const { node, queueId } = this.#options
    const report = this.#applier.report()
    const faults = this.#problem === undefined ? report.faults : [...report.faults, this.#problem]
    this.#reporter.publish({ node, queueId, ...report, faults })
    this.#next = this.#parts.clock.after(again, () => {
      this.#apply()
    })
  }
}

function gauge(name: string, help: string, samples: Metric['samples']): Metric {
  return { name: `clearwater_config_${name}`, help, type: 'gauge', samples }
}
