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

const NAMES = ['bono', 'sprout', 'homestead', 'homer'] as const

export default class Daemon extends CwCommand {
  static override summary = 'Run one daemon in this process.'
  static override description = `For setups that put the daemons into processes of their own. Each keeps its data in a
folder of its name in --data-dir. Those of one core share --domain, --sprout-hostname and --port-offset.`
  static override examples = [
    '<%= config.bin %> daemon homestead',
    '<%= config.bin %> daemon sprout --homestead http://127.0.0.1:8888',
    '<%= config.bin %> daemon bono --upstream 127.0.0.1:5052',
  ]
  static override args = {
    name: Args.string({ description: 'Which daemon.', required: true, options: NAMES, ignoreStdin: true }),
  }
  static override flags = {
    ...runningFlags,
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
      summary: 'For sprout: where homestead is. Default: port 8888, plus the offset, on this machine.',
      helpValue: 'URL',
    }),
  }

  protected override async perform(): Promise<Outcome> {
    const { args, flags } = await this.parse(Daemon)
    const name = NAMES.find(each => each === args.name) ?? NAMES[0]
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
      homestead: originOf(flags.homestead ?? `http://${LOOPBACK}:${ports.homestead}`),
    })
    const opened = Object.entries(daemon.ports).map(([role, port]) => `${role} ${port}`)
    if (this.jsonEnabled()) printEvent('ready', { daemon: name, ports: daemon.ports, pid: process.pid })
    else process.stdout.write(`${name} is ready on ${daemon.address}: ${opened.join(', ')}\n`)
    const signal = await stop.received
    await daemon.close()
    return { result: { event: 'stopped', signal } }
  }
}

function upstreamOf(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([\d.]+)):(\d{1,5})$/i.exec(text)
  const host = match?.[1] ?? match?.[2]
  if (host !== undefined) return { host, port: Number(match?.[3]) }
  throw invalid('--upstream', text, '127.0.0.1:5052')
}

function originOf(text: string): string {
  const url = URL.parse(text)
  if (url?.protocol === 'http:' && url.pathname === '/') return url.origin
  throw invalid('--homestead', text, 'http://127.0.0.1:8888')
}

function invalid(option: string, text: string, example: string): CwError {
  return new CwError('OPTION_INVALID', `${option} "${text}" cannot be used`, {
    changed: 'nothing',
    remedies: [`write it like ${option} ${example}`],
  })
}
