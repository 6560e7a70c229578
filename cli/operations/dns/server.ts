import { Resolver } from 'node:dns/promises'
import { spawn } from 'node:child_process'
import type { DnsSettings } from '../../../lib/config/deployment/deployment.ts'
import { uriHost } from '../../../lib/kit/address.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { naptrValue, RECORD_TYPES, srvValue, type RecordChange, type RecordSet, type RecordType } from './records.ts' // prettier-ignore

const ANSWER_MS = 3000
const UPDATE_SECONDS = 20

/** Says what is not there; anything else is trouble. */
const ABSENT = new Set(['ENOTFOUND', 'ENODATA'])

/** The name server that takes a deployment's records: asked by DNS, changed by RFC 2136. */
export class NameServer {
  readonly #settings: DnsSettings
  readonly #resolver = new Resolver({ timeout: ANSWER_MS, tries: 2 })

  constructor(settings: DnsSettings) {
    this.#settings = settings
    this.#resolver.setServers([`${uriHost(settings.server)}:${settings.port}`])
  }

  /**
   * The sets that it has been given before. They stand in TXT records beside them, since nobody else may know.
   *
   * @throws CwError DNS_UNREACHABLE
   */
  async given(): Promise<readonly Pick<RecordSet, 'name' | 'type'>[]> {
    const texts = await this.#ask(() => this.#resolver.resolveTxt(this.#book))
    return texts.flatMap(pieces => {
      const [, name, type] = /^(\S+) (\S+)$/.exec(pieces.join('')) ?? []
      const known = RECORD_TYPES.find(each => each === type)
      const { zone } = this.#settings
      const isOurs = name === zone || name?.endsWith(`.${zone}`) === true
      return name === undefined || known === undefined || !isOurs ? [] : [{ name, type: known }]
    })
  }

  /** What it has of these names. @throws CwError DNS_UNREACHABLE */
  async sets(of: readonly Pick<RecordSet, 'name' | 'type'>[]): Promise<readonly RecordSet[]> {
    return Promise.all(
      of.map(async ({ name, type }) => ({ name, type, values: (await this.#values(name, type)).toSorted() })),
    )
  }

  /**
   * Makes all changes at once, or none (RFC 2136 §3).
   *
   * @param sets all that it has from then on
   * @throws CwError DNS_REFUSED with what it said, PREREQUISITE_MISSING without nsupdate
   */
  async update(changes: readonly RecordChange[], sets: readonly RecordSet[]): Promise<void> {
    const { server, port, zone, ttl, keyFile } = this.#settings
    const lines = [
      `server ${server} ${port}`,
      `zone ${zone}.`,
      ...changes.flatMap(({ name, type, after }) => [
        `update delete ${name}. ${type}`,
        ...after.map(value => `update add ${name}. ${ttl} ${type} ${value}`),
      ]),
      `update delete ${this.#book}. TXT`,
      ...sets.map(({ name, type }) => `update add ${this.#book}. ${ttl} TXT "${name} ${type}"`),
      'send',
      '',
    ]
    const key = keyFile === undefined ? [] : ['-k', keyFile]
    const said = await nsupdate(['-t', String(UPDATE_SECONDS), '-v', ...key], lines.join('\n'))
    if (said === undefined) return
    throw new CwError('DNS_REFUSED', 'the name server did not take the records', {
      where: { address: `${server} port ${port}` },
      why: said,
      changed: 'nothing',
      remedies: [
        'see whether it lets this key update the zone: allow-update, or update-policy, of BIND',
        'put them there yourself: cw dns zone',
      ],
    })
  }

  get #book(): string {
    return `_clearwater.${this.#settings.zone}`
  }

  async #values(name: string, type: RecordType): Promise<readonly string[]> {
    switch (type) {
      case 'A':
        return this.#ask(() => this.#resolver.resolve4(name))
      case 'AAAA':
        return this.#ask(() => this.#resolver.resolve6(name))
      case 'SRV':
        return (await this.#ask(() => this.#resolver.resolveSrv(name))).map(srvValue)
      case 'NAPTR':
        return (await this.#ask(() => this.#resolver.resolveNaptr(name))).map(naptrValue)
    }
  }

  async #ask<T>(question: () => Promise<readonly T[]>): Promise<readonly T[]> {
    try {
      return await question()
    } catch (cause) {
      if (cause instanceof Error && 'code' in cause && ABSENT.has(String(cause.code))) return []
      const { server, port } = this.#settings
      throw new CwError('DNS_UNREACHABLE', 'the name server does not say what it has', {
        where: { address: `${server} port ${port}` },
        changed: 'nothing',
        remedies: ['see that it runs, serves the zone, and lets this machine ask'],
        cause,
      })
    }
  }
}

/** @returns what went wrong, in its words */
function nsupdate(args: readonly string[], script: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn('nsupdate', args, { stdio: ['pipe', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (said += text))
    child.once('error', cause => {
      reject(
        new CwError('PREREQUISITE_MISSING', 'nsupdate cannot be run, by which records are sent', {
          changed: 'nothing',
          remedies: ['install it: apt-get install bind9-dnsutils'],
          cause,
        }),
      )
    })
    child.once('close', code => {
      resolve(
        code === 0
          ? undefined
          : said.trim().split('\n').slice(-3).join(' / ') || `it ended with ${code ?? ''}`,
      )
    })
    child.stdin.on('error', () => undefined).end(script)
  })
}
