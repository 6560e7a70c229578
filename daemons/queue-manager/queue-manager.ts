import type { EtcdClient } from '../../lib/etcd/client.ts'
import { restartQueueKey } from '../../lib/etcd/layout.ts'
import {
  begin,
  EMPTY_QUEUE,
  fail,
  parseRestartQueue,
  succeed,
  updateRestartQueue,
  type QueueEntry,
  type RestartQueue,
} from '../../lib/etcd/restart-queue.ts'
import { startFollower, type Follower, type RunningFollower } from '../../lib/http/follower.ts'
import type { Metric } from '../../lib/kit/metric.ts'
import { pause, seconds, type Clock, type Duration, type Timer } from '../../lib/kit/clock.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { Units } from '../../lib/kit/units.ts'
import { restartNode, type Patience } from './restart.ts'
import { globalStateOf, localStateOf } from './states.ts'

export interface QueueManagerOptions {
  readonly site: string
  /** This node in the queue: `<management address>-<node type>`. */
  readonly queueId: string
  readonly bind: string
  /** 9072; 0 takes a free one. */
  readonly port: number
  readonly patience?: Patience & {
    /** A node at the front that shows nothing for so long is passed over. Default 480 s. */
    readonly silent?: Duration
  }
}

export interface QueueManagerParts {
  readonly clock: Clock
  readonly log: Log
  /** Closed by the caller. */
  readonly etcd: EtcdClient
  readonly units: Units
  /** Whether a daemon of this node says of itself that it is healthy. */
  readonly isHealthy: (daemon: string) => Promise<boolean>
}

/**
 * Starts this node's part in restarting one node of the site at a time: it restarts its own daemons when it is at the
 * front, says how that went, and passes over a front that is silent for too long. A restart that is under way when it closes is
 * begun again by the next one that starts.
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED or ADDRESS_NOT_LOCAL
 */
export async function startQueueManager(
  options: QueueManagerOptions,
  parts: QueueManagerParts,
): Promise<RunningFollower> {
  const manager = new QueueManager(options, parts)
  const { bind, port } = options
  return startFollower(manager, { name: 'queue-manager', log: parts.log, bind, port })
}

const SILENT = seconds(480)
const RETRY = seconds(5)

class QueueManager implements Follower {
  readonly #options: QueueManagerOptions
  readonly #parts: QueueManagerParts
  readonly #key: string
  readonly #stop = new AbortController()
  #queue: RestartQueue = EMPTY_QUEUE
  #connected = false
  /** The restart of this node, while it goes on. */
  #work: Promise<void> | undefined
  /** The other node that is waited for, and until when. */
  #waiting: { readonly front: string; readonly timer: Timer } | undefined
  #lastFault: string | undefined

  constructor(options: QueueManagerOptions, parts: QueueManagerParts) {
    this.#options = options
    this.#parts = parts
    this.#key = restartQueueKey(options.site)
  }

  get isWorking(): boolean {
    return !this.#stop.signal.aborted
  }

  async follow(): Promise<void> {
    const events = this.#parts.etcd.watchPrefix(this.#key, {
      signal: this.#stop.signal,
      onConnection: (connected, reason) => {
        this.#connected = connected
        if (connected) this.#parts.log.info('etcd answers again')
        else this.#parts.log.warn('etcd does not answer; no node is restarted meanwhile', { reason })
      },
    })
    for await (const event of events) {
      this.#connected = true
      const items = event.kind === 'snapshot' ? event.items : event.kind === 'put' ? [event.item] : []
      const found = items.find(item => item.key === this.#key)
      // What stands beside the queue under the same beginning is not it.
      if (found === undefined && event.kind === 'put') continue
      if (event.kind === 'delete' && event.key !== this.#key) continue
      this.#queue = found === undefined ? EMPTY_QUEUE : parseRestartQueue(found.value.toString())
      this.#look()
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#waiting?.timer.cancel()
    await this.#work
  }

  status(): Readonly<Record<string, unknown>> {
    const { site, queueId } = this.#options
    return {
      site,
      queueId,
      etcd: this.#connected ? 'connected' : 'unreachable',
      local: localStateOf(this.#queue, queueId),
      global: globalStateOf(this.#queue),
      queue: this.#queue,
      ...(this.#lastFault === undefined ? {} : { fault: this.#lastFault }),
    }
  }

  metrics(): readonly Metric[] {
    const { queued, errored } = this.#queue
    const isOwn = (entry: QueueEntry): boolean => entry.id === this.#options.queueId
    return [
      gauge('etcd_connected', 'Whether changes in etcd are seen.', Number(this.#connected)),
      gauge('queued', 'Nodes that wait for their restart.', queued.length),
      gauge('errored', 'Nodes that were not healthy after their restart.', errored.length),
      gauge('self_errored', 'Whether this node is one of them.', Number(errored.some(isOwn))),
    ]
  }

  /** Does what the queue as it is now asks of this node. */
  #look(): void {
    const [front] = this.#queue.queued
    this.#watchOver(front)
    if (front?.id !== this.#options.queueId || this.#work !== undefined || this.#stop.signal.aborted) return
    this.#work = this.#restartSelf().finally(() => {
      this.#work = undefined
      this.#look()
    })
  }

  async #restartSelf(): Promise<void> {
    const { log } = this.#parts
    const { queueId } = this.#options
    // Begun anew where an earlier process ended in the middle; what a watch tells may be old, so etcd is asked itself.
    await this.#change(queue => begin(queue, queueId))
    const [front] = this.#queue.queued
    if (localStateOf(this.#queue, queueId) !== 'PROCESSING' || this.#stop.signal.aborted) return
    const fault = await this.#restartDaemons(front?.daemons)
    if (isAborted(this.#stop.signal)) return
    this.#lastFault = fault
    if (fault === undefined) log.info('the node is restarted and healthy')
    else log.error('the node is not healthy after its restart', { fault })
    await this.#change(queue =>
      fault === undefined ? succeed(queue, queueId) : fail(queue, queueId, 'FAILURE'),
    )
  }

  /**
   * What stands in etcd chooses among the daemons of this node; nothing else that it names reaches systemd.
   *
   * @returns what keeps the node from being healthy
   */
  async #restartDaemons(wanted: readonly string[] | undefined): Promise<string | undefined> {
    const { units, log } = this.#parts
    let installed: readonly string[]
    try {
      installed = await units.installed()
    } catch (error) {
      return `its daemons cannot be listed: ${error instanceof Error ? error.message : String(error)}`
    }
    const strange = wanted?.filter(each => !installed.includes(each)) ?? []
    if (strange.length > 0) log.warn('not daemons of this node; they are not restarted', { daemons: strange })
    const daemons = installed.filter(each => wanted?.includes(each) ?? true)
    return restartNode(daemons, this.#parts, this.#options.patience ?? {}, this.#stop.signal)
  }

  /** Until etcd has taken it: what a node has done is not done again because nobody could be told. */
  async #change(change: (queue: RestartQueue) => RestartQueue | undefined): Promise<void> {
    const { etcd, log, clock } = this.#parts
    while (!this.#stop.signal.aborted) {
      try {
        this.#queue = await updateRestartQueue(etcd, this.#key, change)
        return
      } catch (error) {
        log.error('the queue of restarts could not be changed; it is tried again', { error })
        await pause(clock, RETRY, this.#stop.signal)
      }
    }
  }

  /** Another node at the front has so much time to get on. Whoever sees it run out says so for all. */
  #watchOver(front: QueueEntry | undefined): void {
    const other = front === undefined || front.id === this.#options.queueId ? undefined : front
    const name = other && `${other.id} ${other.status}`
    if (this.#waiting?.front === name) return
    this.#waiting?.timer.cancel()
    this.#waiting = undefined
    if (other === undefined || name === undefined) return
    const timer = this.#parts.clock.after(this.#options.patience?.silent ?? SILENT, () => {
      void this.#passOver(other)
    })
    this.#waiting = { front: name, timer }
  }

  async #passOver(other: QueueEntry): Promise<void> {
    const { log } = this.#parts
    log.error('a node at the front of the queue does not get on; it is passed over', { node: other.id })
    await this.#change(queue => {
      const [front] = queue.queued
      const isStill = front?.id === other.id && front.status === other.status
      return isStill ? fail(queue, other.id, 'UNRESPONSIVE') : undefined
    })
    this.#look()
  }
}

/** Asked again: it may have become so while something was awaited. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}

function gauge(name: string, help: string, value: number): Metric {
  return { name: `clearwater_restart_${name}`, help, type: 'gauge', samples: [{ value }] }
}
