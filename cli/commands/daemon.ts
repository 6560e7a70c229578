import { Args, Flags } from '@oclif/core'
import { resolve } from 'node:path'
import { sproutHostnameOf } from '../../lib/config/names.ts'
import { portsAt } from '../../lib/config/ports.ts'
import { LOOPBACK } from '../../lib/kit/address.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { CwCommand } from '../command.ts'
import { parseDomain } from '../operations/domain.ts'
import { printEvent, type Outcome } from '../render/report.ts'
import { stopSignal } from '../stop-signal.ts'
import { runningFlags } from './running-flags.ts'

const NAMES = [
  'bono',
  'sprout',
  'homestead',
  'homer',
  'memento',
  'ellis',
  'ralf',
  'config-manager',
  'queue-manager',
  'cluster-manager',
  'astaire',
  'chronos',
] as const

/** Of a node, where its unit makes it. */
const NODE_DATA_DIR = '/var/lib/clearwater'

export default class Daemon extends CwCommand {
  static override summary = 'Run one daemon in this process.'
  static override description = `On a node of a deployment it is told what to do by the files in --config: shared_config,
local_config, user_settings, of which a later one wins, and the JSON and XML files beside them. SIGHUP reads them again,
SIGTERM lets it finish what is under way. SIGQUIT has it quiesce: it takes nobody new and ends once nobody is left; SIGUSR1 takes
that back, and has astaire copy everything anew. Its log is NAME.log in log_directory, or standard error where there is no such folder.

Without --config it is told by flags. Each daemon keeps its data in a folder of its name in --data-dir. Those of one core
share --domain, --sprout-hostname and --port-offset.`
  static override examples = [
    '<%= config.bin %> daemon sprout --config /etc/clearwater',
    '<%= config.bin %> daemon homestead',
    '<%= config.bin %> daemon sprout --homestead http://127.0.0.1:8888',
    '<%= config.bin %> daemon bono --upstream 127.0.0.1:5052',
  ]
  static override args = {
    name: Args.string({ description: 'Which daemon.', required: true, options: NAMES, ignoreStdin: true }),
  }
  static override flags = {
    ...runningFlags,
    config: Flags.directory({
      summary: `The folder of a node's configuration files. Data are then in ${NODE_DATA_DIR}.`,
      helpValue: 'DIR',
      exclusive: ['domain', 'bind', 'advertise', 'sprout-hostname', 'upstream', 'homestead', 'homer'],
    }),
    'sprout-hostname': Flags.string({
      summary: "Base of the names of sprout's functions, scscf.NAME. Default: sprout. and the domain.",
      helpValue: 'NAME',
    }),
    upstream: Flags.string({
      summary:
        'For bono: address and port of the I-CSCF. Default: port 5052, plus the offset, on this machine.',
      helpValue: 'ADDRESS:PORT',
    }),
    homestead: Flags.string({
      summary:
        'For sprout and memento: where homestead is. Default: port 8888, plus the offset, on this machine.',
      helpValue: 'URL',
    }),
    homer: Flags.string({
      summary: 'For sprout: where homer is. Default: port 7888, plus the offset, on this machine.',
      helpValue: 'URL',
    }),
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags, metadata } = await this.parse(Daemon)
    const name = NAMES.find(each => each === args.name) ?? NAMES[0]
    const given = <Name extends keyof typeof flags>(flag: Name): (typeof flags)[Name] | undefined =>
      metadata.flags[flag]?.setFromDefault === true ? undefined : flags[flag]
    if (flags.config !== undefined) {
      const { startNodeDaemon } = await import('../operations/daemon-node.ts')
      // Asked for while it starts, it is done then: it may have read already.
      const started = Promise.withResolvers<{ reload(): Promise<void> }>()
      const stop = stopSignal(() => void started.promise.then(node => node.reload()))
      const node = await startNodeDaemon(name, {
        folder: resolve(flags.config),
        dataDir: resolve(given('data-dir') ?? NODE_DATA_DIR),
        portOffset: flags['port-offset'],
        logLevel: given('log-level'),
      })
      started.resolve(node)
      return this.#runUntil(stop.received, name, node)
    }

    const domain = parseDomain(flags.domain)
    const ports = portsAt(flags['port-offset'])
    const stop = stopSignal()
    const { startDaemon } = await import('../operations/daemon.ts')
    const daemon = await startDaemon(name, {
      dataDir: resolve(flags['data-dir']),
      domain,
      bind: flags.bind,
      advertise: flags.advertise,
      portOffset: flags['port-offset'],
      logLevel: flags['log-level'],
      sproutHostname: flags['sprout-hostname'] ?? sproutHostnameOf(domain),
      upstream: upstreamOf(flags.upstream ?? `${LOOPBACK}:${ports.icscf}`),
      homestead: originOf('--homestead', flags.homestead ?? `http://${LOOPBACK}:${ports.homestead}`),
      homer: originOf('--homer', flags.homer ?? `http://${LOOPBACK}:${ports.homer}`),
    })
    return this.#runUntil(stop.received, name, daemon)
  }

  async #runUntil(stop: Promise<NodeJS.Signals>, name: string, daemon: Running): Promise<Outcome> {
    const opened = Object.entries(daemon.ports).map(([role, port]) => `${role} ${port}`)
    if (this.jsonEnabled()) printEvent('ready', { daemon: name, ports: daemon.ports, pid: process.pid })
    else process.stdout.write(`${name} is ready on ${daemon.address}: ${opened.join(', ')}\n`)
    const signal = await Promise.race([stop, quiesced(daemon)])
    await daemon.close()
    return { result: { event: 'stopped', signal } }
  }
}

interface Running {
  readonly ports: Readonly<Record<string, number>>
  readonly address: string
  quiesce(): Promise<boolean>
  unquiesce(): Promise<void>
  close(): Promise<void>
}

/** Has the daemon quiesce at SIGQUIT, and no longer, or copy everything anew, at SIGUSR1; resolves once nobody is left. */
function quiesced(daemon: Running): Promise<NodeJS.Signals> {
  return new Promise((resolve, reject) => {
    process.on('SIGQUIT', signal => {
      daemon.quiesce().then(isIdle => {
        if (isIdle) resolve(signal)
      }, reject)
    })
    process.on('SIGUSR1', () => void daemon.unquiesce().catch(reject))
  })
}

function upstreamOf(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([\d.]+)):(\d{1,5})$/i.exec(text)
  const host = match?.[1] ?? match?.[2]
  if (host !== undefined) return { host, port: Number(match?.[3]) }
  throw invalid('--upstream', text, '127.0.0.1:5052')
}

function originOf(option: string, text: string): string {
  const url = URL.parse(text)
  if (url?.protocol === 'http:' && url.pathname === '/') return url.origin
  throw invalid(option, text, 'http://127.0.0.1:8888')
}

function invalid(option: string, text: string, example: string): CwError {
  return new CwError('OPTION_INVALID', `${option} "${text}" cannot be used`, {
    changed: 'nothing',
    remedies: [`write it like ${option} ${example}`],
  })
}
