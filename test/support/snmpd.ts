import { writeFileSync } from 'node:fs'
import { Child } from './child.ts'
import { freePort } from './ports.ts'
import { TempDir } from './temp-dir.ts'
import { waitUntil } from './wait.ts'

export const COMMUNITY = 'clearwater'

/** Net-SNMP's snmpd as a master agent on 127.0.0.1, which can be ended and started again. */
export class Snmpd implements AsyncDisposable {
  readonly #dir = new TempDir('snmpd')
  readonly #port: number
  #child: Child | undefined

  private constructor(port: number) {
    this.#port = port
    const lines = [
      'master agentx',
      `agentXSocket ${this.socket}`,
      `agentaddress udp:127.0.0.1:${port}`,
      `rocommunity ${COMMUNITY}`,
      'rwcommunity writing',
      `[snmp] persistentDir ${this.#dir.file('state')}`,
    ]
    writeFileSync(this.#dir.file('snmpd.conf'), `${lines.join('\n')}\n`)
  }

  static async start(): Promise<Snmpd> {
    const snmpd = new Snmpd(await freePort())
    await snmpd.run()
    return snmpd
  }

  /** Where it lets subagents in. */
  get socket(): string {
    return this.#dir.file('master')
  }

  async run(): Promise<void> {
    const args = ['-f', '-Lo', '-C', '-c', this.#dir.file('snmpd.conf'), '-I', '-smux']
    const child = new Child('snmpd', args)
    this.#child = child
    await waitUntil('snmpd to answer', async () => {
      if (child.exit !== undefined) throw new Error(`snmpd has ended: ${child.stderr}`)
      return (await this.ask('snmpget', '1.3.6.1.2.1.1.3.0'))[0]?.includes('Timeticks')
    })
  }

  async kill(): Promise<void> {
    await this.#child?.stop('SIGKILL')
    this.#child = undefined
  }

  /** What a command of Net-SNMP prints, a line each: `.1.3.6… = Gauge32: 7`. */
  async ask(
    command: 'snmpget' | 'snmpwalk' | 'snmpbulkwalk' | 'snmpset',
    ...args: readonly string[]
  ): Promise<readonly string[]> {
    const community = command === 'snmpset' ? 'writing' : COMMUNITY
    const common = ['-v2c', '-c', community, '-On', '-m', '', '-t', '3', '-r', '0', `127.0.0.1:${this.#port}`]
    await using child = new Child(command, [...common, ...args])
    await child.exited
    return `${child.stdout}${child.stderr}`.split('\n').filter(line => line !== '')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child?.[Symbol.asyncDispose]()
    this.#dir[Symbol.dispose]()
  }
}
