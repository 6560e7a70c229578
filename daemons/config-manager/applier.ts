import { effectsOf, type SharedChange } from '../../lib/config/shared-file.ts'
import { parseConfigFile } from '../../lib/config/config-file.ts'
import { hasErrors } from '../../lib/config/fault.ts'
import { validateSharedFile, type SharedFileName } from '../../lib/config/shared-file.ts'
import type { EtcdClient } from '../../lib/etcd/client.ts'
import { configurationKey, restartQueueKey, SHARED_FILES } from '../../lib/etcd/layout.ts'
import type { NodeReport } from '../../lib/etcd/node-report.ts'
import { enqueue, updateRestartQueue } from '../../lib/etcd/restart-queue.ts'
import { seconds, type Clock } from '../../lib/kit/clock.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { Units } from '../../lib/kit/units.ts'
import { faultOfReading, type AskReading } from './daemon-reading.ts'
import { KeptFile, type Target } from './kept-file.ts'

export interface ApplierParts {
  readonly etcd: Pick<EtcdClient, 'get' | 'put'>
  readonly units: Pick<Units, 'installed' | 'reload'>
  /** Asks a daemon what it made of its files. */
  readonly ask: AskReading
  readonly clock: Clock
  readonly log: Log
  readonly site: string
  /** The node in the queue of restarts. */
  readonly queueId: string
}

/** As long as a daemon has to read its files, on a machine with much to do. */
const REREAD_WITHIN = seconds(10)

/** Brings this node to what etcd says: files first, then the daemons that have to know. */
export class Applier {
  readonly #parts: ApplierParts
  readonly #files: readonly KeptFile[]
  #daemons: readonly string[] = []
  #faults: readonly string[] = []

  private constructor(parts: ApplierParts, files: readonly KeptFile[]) {
    this.#parts = parts
    this.#files = files
  }

  static async open(parts: ApplierParts, configDir: string, stateDir: string): Promise<Applier> {
    const opening = SHARED_FILES.map(name => KeptFile.open(name, configDir, stateDir))
    return new Applier(parts, await Promise.all(opening))
  }

  /**
   * Takes each file as far as it goes. To be called again after a failure: nothing that was not done to its end counts
   * as done.
   *
   * @param targets all there is in etcd now
   */
  async apply(targets: ReadonlyMap<SharedFileName, Target>): Promise<void> {
    this.#daemons = await this.#parts.units.installed()
    const faults: string[] = []
    const changes: SharedChange[] = []
    const pending: { readonly file: KeptFile; readonly target: Target }[] = []
    for (const file of this.#files) {
      const target = targets.get(file.name)
      if (target === undefined) {
        await this.#offer(file)
        continue
      }
      const taken = await file.take(target)
      if (taken.kind === 'refused' && taken.isNew) this.#tellRefused(file)
      if (taken.kind !== 'changed') continue
      this.#parts.log.info('a shared file has changed', { file: file.name, revision: target.revision })
      if (taken.handEdited !== undefined) {
        this.#parts.log.warn('the file was edited by hand; that text is kept', { file: taken.handEdited })
      }
      changes.push(...taken.changes)
      pending.push({ file, target })
    }
    faults.push(...(await this.#tellDaemons(changes)))
    for (const { file, target } of pending) await file.settle(target)
    if (pending.length > 0) this.#faults = faults
  }

  report(): Pick<NodeReport, 'daemons' | 'files' | 'faults'> {
    const files = this.#files.flatMap(file => {
      const report = file.report()
      return report === undefined ? [] : [[file.name, report] as const]
    })
    return { daemons: this.#daemons, faults: this.#faults, files: Object.fromEntries(files) }
  }

  /** @returns what did not work; it keeps nothing from being done */
  async #tellDaemons(changes: readonly SharedChange[]): Promise<readonly string[]> {
    const { units, etcd, site, queueId, log, ask, clock } = this.#parts
    const effects = effectsOf(changes)
    const restart = this.#daemons.filter(daemon => effects.restart.has(daemon))
    if (restart.length > 0) {
      await updateRestartQueue(etcd, restartQueueKey(site), queue => enqueue(queue, queueId, restart))
    }
    const faults: string[] = []
    for (const daemon of this.#daemons.filter(each => effects.reload.has(each))) {
      try {
        const before = await ask(daemon).catch(() => undefined)
        await units.reload(daemon)
        const fault = await faultOfReading(daemon, before, { ask, clock, within: REREAD_WITHIN })
        if (fault === undefined) continue
        log.error('a daemon does not use what has changed', { daemon, fault })
        faults.push(fault)
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        log.error('a daemon could not be reloaded', { daemon, message })
        faults.push(`${daemon} could not be reloaded: ${message}`)
      }
    }
    return faults
  }

  /** etcd does not have the file: what this node has becomes the shared one, unless it says nothing. */
  async #offer(file: KeptFile): Promise<void> {
    const text = await file.read()
    if (text === undefined || hasErrors(validateSharedFile(file.name, text))) return
    if (file.name === 'shared_config' && parseConfigFile(text).values.size === 0) return
    await this.#parts.etcd.put(configurationKey(this.#parts.site, file.name), text, { ifRevision: 0 })
  }

  #tellRefused(file: KeptFile): void {
    const refused = file.report()?.refused
    this.#parts.log.error('a shared file in etcd is invalid and is not taken', {
      file: file.name,
      ...refused,
    })
  }
}
