import { Flags } from '@oclif/core'
import { resolve } from 'node:path'
import { CwCommand } from '../command.ts'
import { parseDomain } from '../operations/domain.ts'
import { addressesOf, formatCore, type CoreView } from '../render/core.ts'
import { printEvent, type Outcome } from '../render/report.ts'
import { stopSignal } from '../stop-signal.ts'
import { runningFlags } from './running-flags.ts'

const STORES = ['memcached', 'cassandra'] as const

export default class Up extends CwCommand {
  static override summary = 'Run the whole core in this process.'
  static override description = `Edge proxy, I-CSCF, S-CSCF, BGCF, subscriber store and XDMS, on stores in a folder.
It prints what a phone must be set to once everything answers. SIGTERM or Ctrl-C stops it with nothing lost; a second
Ctrl-C leaves at once. Only the doors for phones open on --bind; everything else stays on 127.0.0.1.`
  static override examples = [
    '<%= config.bin %> up',
    '<%= config.bin %> up --bind 0.0.0.0 --domain ims.example.com',
    '<%= config.bin %> up --port-offset 1000 --data-dir /tmp/second',
    '<%= config.bin %> up --stores memcached --memcached 127.0.0.1:11211,127.0.0.1:11212',
    '<%= config.bin %> up --stores memcached,cassandra --cassandra 127.0.0.1',
  ]
  static override flags = {
    ...runningFlags,
    stores: Flags.option({
      summary:
        'Engines to keep data in instead of the data folder: memcached for registrations, cassandra for subscribers.',
      options: STORES,
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
      default: [],
    })(),
    memcached: Flags.string({
      summary: 'Servers for --stores memcached, separated by commas.',
      helpValue: 'HOST:PORT,…',
      default: '127.0.0.1:11211',
    }),
    cassandra: Flags.string({
      summary: 'Nodes for --stores cassandra, separated by commas.',
      helpValue: 'HOST[:PORT],…',
      default: '127.0.0.1:9042',
    }),
  }

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(Up)
    const domain = parseDomain(flags.domain)
    const stop = stopSignal()
    const { startCore } = await import('../operations/up.ts')
    const dataDir = resolve(flags['data-dir'])
    const core = await startCore({
      dataDir,
      domain,
      bind: flags.bind,
      advertise: flags.advertise,
      portOffset: flags['port-offset'],
      logLevel: flags['log-level'],
      ...(flags.stores.includes('memcached') ? { memcachedServers: flags.memcached } : {}),
      ...(flags.stores.includes('cassandra') ? { cassandraNodes: flags.cassandra } : {}),
    })
    this.#announce({
      version: this.config.version,
      domain,
      address: core.address,
      bind: flags.bind,
      ports: core.ports,
      portOffset: flags['port-offset'],
      dataDir,
      readyAfterMs: core.readyAfterMs,
    })
    const signal = await stop.received
    if (!this.jsonEnabled()) process.stderr.write('\nstopping\n')
    await core.close()
    return { result: { event: 'stopped', signal } }
  }

  #announce(core: CoreView): void {
    if (!this.jsonEnabled()) {
      // In a checkout, where npm started it, cw is not on the PATH.
      const cw = process.env.npm_lifecycle_event === undefined ? 'cw' : 'bin/cw'
      process.stdout.write(`${formatCore(core, cw)}\n`)
      return
    }
    const { proxy, webSocket } = addressesOf(core)
    printEvent('ready', {
      domain: core.domain,
      proxy,
      web_socket: webSocket,
      ports: core.ports,
      data_dir: core.dataDir,
      ready_after_ms: Math.round(core.readyAfterMs),
      pid: process.pid,
    })
  }
}
