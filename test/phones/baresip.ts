import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { Child } from '../support/child.ts'
import type { PhoneIdentity } from '../support/phone.ts'
import { freePort } from '../support/ports.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil } from '../support/wait.ts'
import { wavOf } from './tones.ts'

const MODULES = '/usr/lib/baresip/modules'
const BYTES_PER_SECOND = 16_000

export interface BaresipOptions {
  readonly identity: PhoneIdentity
  readonly transport: 'udp' | 'tcp'
  /** Where bono listens for phones. */
  readonly proxyPort: number
  /** Bono's address; absent: 127.0.0.1. */
  readonly proxyAddress?: string
  /** The phone's own address; absent: 127.0.0.1. */
  readonly localAddress?: string
  /** What it says into every call (see tones.ts). */
  readonly melody: readonly number[]
}

interface BaresipEvent {
  readonly type: string
  readonly param: string
}

/** A baresip phone: a real user agent with its own SIP stack and RTP, driven over its control port. */
export class Baresip implements AsyncDisposable {
  readonly identity: PhoneIdentity
  readonly events: BaresipEvent[] = []
  readonly #dir: TempDir
  readonly #child: Child
  readonly #control: Socket
  #seenEvents = 0
  /** Name of the recording of the call before; names rise with time. */
  #lastRecording = ''

  private constructor(identity: PhoneIdentity, dir: TempDir, child: Child, control: Socket) {
    this.identity = identity
    this.#dir = dir
    this.#child = child
    this.#control = control
    let pending = Buffer.alloc(0)
    control.on('data', data => {
      const { texts, rest } = cutNetstrings(Buffer.concat([pending, data]))
      pending = rest
      for (const text of texts) {
        const message = JSON.parse(text) as { event?: boolean; type?: string; param?: string }
        if (message.event === true) this.events.push({ type: message.type ?? '', param: message.param ?? '' })
      }
    })
  }

  /** Starts the phone and waits until its registration is confirmed. */
  static async start(options: BaresipOptions): Promise<Baresip> {
    const dir = new TempDir('baresip')
    const controlPort = await freePort()
    writeConfiguration(dir, controlPort, options)
    const child = new Child('baresip', ['-f', dir.path])
    try {
      const control = await waitUntil('the control port of baresip', async () => {
        const socket = connect(controlPort, '127.0.0.1')
        await once(socket, 'connect')
        return socket
      })
      const phone = new Baresip(options.identity, dir, child, control)
      await waitUntil(`${options.identity.user} to be registered`, () => child.stdout.includes('200 OK'))
      return phone
    } catch (error) {
      await child[Symbol.asyncDispose]()
      dir[Symbol.dispose]()
      throw new Error(`baresip did not register:\n${child.stdout}\n${child.stderr}`, { cause: error })
    }
  }

  dial(uri: string): void {
    this.#turnTape()
    this.#command('dial', uri)
  }

  accept(): void {
    this.#turnTape()
    this.#command('accept')
  }

  hangUp(): void {
    this.#command('hangup')
  }

  /** Waits for the next event of this type; earlier ones are not looked at again. */
  async event(type: string): Promise<BaresipEvent> {
    try {
      return await waitUntil(`${type} at ${this.identity.user}`, () => {
        const index = this.events.findIndex((event, at) => at >= this.#seenEvents && event.type === type)
        if (index < 0) return undefined
        this.#seenEvents = index + 1
        return this.events[index]
      })
    } catch (error) {
      const seen = this.events.map(event => `${event.type} ${event.param}`).join('; ')
      throw new Error(`${(error as Error).message}; events: ${seen}\n${this.#child.stdout}`, { cause: error })
    }
  }

  /** Waits until at least this many seconds of what the other side says have been recorded in this call. */
  async hears(seconds: number): Promise<void> {
    await waitUntil(`${this.identity.user} to hear something`, () => {
      const file = this.#recording()
      return file !== undefined && statSync(file).size > seconds * BYTES_PER_SECOND
    })
  }

  /** What was heard in this call, as a WAV file. */
  recording(): Buffer {
    const file = this.#recording()
    if (file === undefined) throw new Error(`${this.identity.user} recorded nothing`)
    return readFileSync(file)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#control.destroy()
    await this.#child[Symbol.asyncDispose]()
    this.#dir[Symbol.dispose]()
  }

  #turnTape(): void {
    this.#lastRecording = this.#recordings().at(-1) ?? ''
  }

  #recording(): string | undefined {
    const last = this.#recordings().at(-1)
    return last === undefined || last === this.#lastRecording
      ? undefined
      : this.#dir.file(join('heard', last))
  }

  #recordings(): string[] {
    return readdirSync(this.#dir.file('heard'))
      .filter(name => name.endsWith('-dec.wav'))
      .sort()
  }

  #command(command: string, params = ''): void {
    const text = JSON.stringify({ command, params })
    this.#control.write(`${text.length}:${text},`)
  }
}

function writeConfiguration(dir: TempDir, controlPort: number, options: BaresipOptions): void {
  const { identity, transport, proxyPort, melody } = options
  const { proxyAddress = '127.0.0.1', localAddress = '127.0.0.1' } = options
  const { user, domain, password } = identity
  const privateId = `${user}@${domain}`
  const account = [
    `<sip:${privateId};transport=${transport}>`,
    `auth_user=${privateId}`,
    `auth_pass=${password}`,
    `outbound="sip:${proxyAddress}:${proxyPort};transport=${transport}"`,
    'regint=60',
    'answermode=manual',
  ]
  const modules = ['g711', 'aufile', 'sndfile', 'alsa']
  const config = [
    'poll_method epoll',
    `net_interface ${localAddress}`,
    `sip_listen ${localAddress}:0`,
    `module_path ${MODULES}`,
    ...modules.map(name => `module ${name}.so`),
    'module_app account.so',
    'module_app menu.so',
    'module_app ctrl_tcp.so',
    `ctrl_tcp_listen 127.0.0.1:${controlPort}`,
    // It speaks from a file, hears into a file (the sndfile filter), and plays to nobody.
    `audio_source aufile,${dir.file('speech.wav')}`,
    'audio_player alsa,null',
    'audio_alert alsa,null',
    `snd_path ${dir.file('heard')}`,
    'ausrc_srate 8000',
    'auplay_srate 8000',
    'ausrc_channels 1',
    'auplay_channels 1',
    'rtp_ports 33000-34900',
  ]
  writeFileSync(dir.file('config'), `${config.join('\n')}\n`)
  writeFileSync(dir.file('accounts'), `${account.join(';')}\n`)
  writeFileSync(dir.file('contacts'), '')
  writeFileSync(dir.file('speech.wav'), wavOf(melody, 20))
  mkdirSync(dir.file('heard'))
}

/** The control port frames its JSON as netstrings: length, colon, text, comma. */
function cutNetstrings(data: Buffer): { texts: string[]; rest: Buffer<ArrayBuffer> } {
  const texts: string[] = []
  let start = 0
  for (;;) {
    const colon = data.indexOf(':', start)
    const length = Number(data.toString('latin1', start, colon))
    const end = colon + 1 + length
    if (colon < 0 || data.length < end + 1) return { texts, rest: Buffer.from(data.subarray(start)) }
    texts.push(data.toString('utf8', colon + 1, end))
    start = end + 1
  }
}
