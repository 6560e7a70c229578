import { randomBytes } from 'node:crypto'
import { copyFileSync, writeFileSync } from 'node:fs'
import { DnsStub } from '../../lib/dns/stub.ts'
import { TimerWheel } from '../../lib/kit/clock.ts'
import { Child } from './child.ts'
import { freePort } from './ports.ts'
import { TempDir } from './temp-dir.ts'
import { waitUntil } from './wait.ts'

/** A real BIND on a loopback port, which serves one zone and knows nothing else. */
export class Bind implements AsyncDisposable {
  readonly #dir = new TempDir('bind')
  readonly #port: number
  readonly #domain: string
  #serial = 0
  #child: Child | undefined

  /**
   * @param records the zone behind its SOA and NS, in the syntax of BIND
   * @param keys names of TSIG keys that it knows; the first one may update the zone
   */
  static async start(domain: string, records: string, keys: readonly string[] = []): Promise<Bind> {
    const bind = new Bind(domain, await freePort(), keys)
    bind.#write(records)
    // Debian's AppArmor profile lets the installed program read /etc/bind only.
    copyFileSync('/usr/sbin/named', bind.#dir.file('named'))
    await bind.run()
    return bind
  }

  private constructor(domain: string, port: number, keys: readonly string[]) {
    this.#domain = domain
    this.#port = port
    const secrets = keys.map(name => {
      const secret = randomBytes(32).toString('base64')
      const text = `key "${name}" { algorithm hmac-sha256; secret "${secret}"; };\n`
      writeFileSync(this.keyFile(name), text)
      return text
    })
    const [updater] = keys
    const allow = updater === undefined ? '' : `allow-update { key "${updater}"; };`
    writeFileSync(
      this.#dir.file('named.conf'),
      `${secrets.join('')}options {
        directory "${this.#dir.path}"; pid-file none; session-keyfile none; managed-keys-directory "${this.#dir.path}";
        listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };
        recursion no; allow-query { 127.0.0.1; }; dnssec-validation no;
      };
      controls { };
      zone "${domain}" { type primary; file "zone"; ${allow} };
      `,
    )
  }

  get port(): number {
    return this.#port
  }

  /** Where a TSIG key is, as BIND writes it. */
  keyFile(name: string): string {
    return this.#dir.file(`${name}.key`)
  }

  /** As resolvers take it: `address:port`. */
  get server(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** Starts it, or starts it again. Returns once it serves. */
  async run(): Promise<void> {
    const child = new Child(this.#dir.file('named'), ['-g', '-n', '1', '-c', this.#dir.file('named.conf')])
    this.#child = child
    await waitUntil(`BIND on ${this.server}: ${child.stderr.slice(-500)}`, () => this.#serves())
  }

  async stop(): Promise<void> {
    await this.#child?.stop('SIGKILL')
    this.#child = undefined
  }

  /** Serves another zone from now on. Returns once it does. */
  async change(records: string): Promise<void> {
    this.#write(records)
    this.#child?.signal('SIGHUP')
    await waitUntil('the zone that BIND was told to load', () => this.#serves())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child?.[Symbol.asyncDispose]()
    this.#dir[Symbol.dispose]()
  }

  #write(records: string): void {
    const soa = `@ IN SOA ns hostmaster ${++this.#serial} 3600 600 86400 60`
    const text = `$TTL 300\n${soa}\n@ IN NS ns\nns IN A 127.0.0.1\nserial${this.#serial} IN A 127.0.0.1\n${records}\n`
    writeFileSync(this.#dir.file('zone'), text)
  }

  async #serves(): Promise<boolean> {
    const clock = new TimerWheel(() => undefined)
    try {
      const stub = new DnsStub({ servers: [this.server], clock })
      return (await stub.find('A', `serial${this.#serial}.${this.#domain}`)).kind === 'records'
    } finally {
      clock.close()
    }
  }
}
