import { join } from 'node:path'
import type { Consumer } from '../../lib/config/option.ts'
import { findOption } from '../../lib/config/options.ts'
import { TimerWheel } from '../../lib/kit/clock.ts'
import { LogFile } from '../../lib/kit/log-file.ts'
import { openLog, type LogLevel, type OpenLog } from '../../lib/kit/log.ts'
import { openSupervisor, type Supervisor } from '../../lib/kit/systemd.ts'
import { runDaemon, type DaemonName, type RunningDaemon } from './daemon.ts'
import { LIVE_OPTIONS } from './daemon-live.ts'
import { readNodeFiles, type NodeFiles } from './daemon-files.ts'
import { placeOfFiles, type NodePlacement, type Place } from './daemon-place.ts'

/** What `cw daemon --config` is told beside the files of the node. */
export interface NodeOptions {
  /** `/etc/clearwater`. */
  readonly folder: string
  readonly dataDir: string
  /** Added to every port that the daemon listens on. */
  readonly portOffset: number
  /** Instead of what `log_level` says. */
  readonly logLevel: LogLevel | undefined
}

/** `log_level` 0 to 5, as its option tells. */
const LOG_LEVELS: readonly LogLevel[] = ['error', 'warn', 'info', 'info', 'debug', 'debug']
const USUAL_LOG_LEVEL = 2

/** Starts one daemon as the files of its node say, and returns once it answers. systemd is told. */
export async function startNodeDaemon(name: DaemonName, options: NodeOptions): Promise<NodeDaemon> {
  const files = await readNodeFiles(options.folder)
  const { log, file } = openNodeLog(name, files, options.logLevel)
  const node = new NodeDaemon(name, options, files, log, file)
  try {
    await node.start()
    return node
  } catch (error) {
    log.error('this daemon could not be started', { error })
    file?.close()
    throw error
  }
}

/** One daemon of a node, its log, and the configuration it follows. */
export class NodeDaemon {
  readonly #name: DaemonName
  readonly #options: NodeOptions
  readonly #log: OpenLog
  readonly #logFile: LogFile | undefined
  readonly #clock: TimerWheel
  readonly #supervisor: Supervisor
  /** What it was started with: an option that differs from this and is not live waits for a restart. */
  readonly #first: NodeFiles
  #files: NodeFiles
  #daemon: RunningDaemon | undefined
  #readings = 1
  /** Why what was read last cannot be used. */
  #problem: string | undefined
  #reloaded: Promise<void> = Promise.resolve()

  constructor(
    name: DaemonName,
    options: NodeOptions,
    files: NodeFiles,
    log: OpenLog,
    logFile: LogFile | undefined,
  ) {
    this.#name = name
    this.#options = options
    this.#log = log
    this.#logFile = logFile
    this.#first = this.#files = files
    this.#clock = new TimerWheel(error => {
      log.error('a timer failed', { error })
    })
    this.#supervisor = openSupervisor({ clock: this.#clock, log })
  }

  get ports(): Readonly<Record<string, number>> {
    return this.#daemon?.ports ?? {}
  }

  get address(): string {
    return this.#daemon?.address ?? ''
  }

  async start(): Promise<void> {
    this.#complain()
    const daemon = await runDaemon(this.#name, this.#place(this.#files), this.#log, () => ({
      restartNeededFor: this.#waiting(),
      configurationReadings: this.#readings,
      configurationFaults: this.#files.complaints.length,
      ...(this.#problem === undefined ? {} : { configurationProblem: this.#problem }),
    }))
    this.#daemon = daemon
    await this.#supervisor.ready('at work')
    this.#supervisor.watch(() => daemon.isAlive())
  }

  /**
   * Reads the files again and follows what can be followed while it runs; the log tells what cannot. Files that cannot
   * be read or lack what is needed change nothing. Also goes on in a new log file, after the old one was rotated away.
   */
  reload(): Promise<void> {
    this.#reloaded = this.#reloaded.then(() => this.#reload())
    return this.#reloaded
  }

  /** As {@link RunningDaemon.quiesce}. */
  async quiesce(): Promise<boolean> {
    return (await this.#daemon?.quiesce()) ?? true
  }

  async unquiesce(): Promise<void> {
    await this.#daemon?.unquiesce()
  }

  async close(): Promise<void> {
    await this.#supervisor.stopping('finishing what is under way')
    this.#supervisor.close()
    await this.#daemon?.close()
    this.#clock.close()
    this.#log.info('stopped')
    this.#logFile?.close()
  }

  async #reload(): Promise<void> {
    await this.#supervisor.reloading()
    try {
      this.#logFile?.reopen()
      const before = this.#files
      const files = await readNodeFiles(this.#options.folder, before)
      const place = this.#place(files)
      this.#files = files
      this.#complain()
      this.#log.setLevel(this.#options.logLevel ?? logLevelOf(files))
      this.#daemon?.follow(place)
      const applied = changesOf(this.#name, before, files).filter(option => this.#isLive(option))
      this.#log.info('the configuration was read again', { applied })
      const waiting = this.#waiting()
      if (waiting.length > 0) this.#log.warn('some changes wait for a restart', { options: waiting })
      this.#problem = undefined
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error)
      this.#log.error('the configuration cannot be used; what was read before goes on to count', { error })
    }
    this.#readings++
    await this.#supervisor.ready('at work')
  }

  #place(files: NodeFiles): Place {
    const { folder, dataDir, portOffset } = this.#options
    const names: NodePlacement['names'] = name => this.#files.names.get(name)
    return placeOfFiles(files, { folder, dataDir, portOffset, names })
  }

  #isLive(option: string): boolean {
    return LIVE_OPTIONS[this.#name].includes(option)
  }

  #waiting(): readonly string[] {
    return changesOf(this.#name, this.#first, this.#files).filter(option => !this.#isLive(option))
  }

  #complain(): void {
    for (const complaint of this.#files.complaints) {
      this.#log.warn('something is wrong with the configuration', { complaint })
    }
  }
}

/** Options of this daemon that two readings of the files give differently. */
function changesOf(daemon: DaemonName, before: NodeFiles, after: NodeFiles): readonly string[] {
  const consumers: readonly Consumer[] = daemon === 'homestead' ? ['homestead', 'homestead-prov'] : [daemon]
  return [...new Set([...before.values.keys(), ...after.values.keys()])].filter(
    name =>
      before.values.get(name) !== after.values.get(name) &&
      consumers.some(consumer => findOption(name)?.usedBy.includes(consumer) === true),
  )
}

function logLevelOf(files: NodeFiles): LogLevel {
  return LOG_LEVELS[Number(files.values.get('log_level') ?? USUAL_LOG_LEVEL)] ?? 'info'
}

/** `<log_directory>/<daemon>.log`, or standard error where that folder is not there for this user. */
function openNodeLog(
  name: DaemonName,
  files: NodeFiles,
  level: LogLevel | undefined,
): { readonly log: OpenLog; readonly file: LogFile | undefined } {
  const folder = files.values.get('log_directory') ?? join('/var/log', name)
  let file: LogFile | undefined
  try {
    file = new LogFile(join(folder, `${name}.log`))
  } catch {
    // A daemon without a log file still has the journal.
  }
  return { log: openLog(level ?? logLevelOf(files), { daemon: name }, file), file }
}
