import { build } from 'esbuild'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { chromium, type Browser, type Page } from 'playwright-core'
import type { PhoneIdentity } from '../support/phone.ts'
import { TempDir } from '../support/temp-dir.ts'
import { waitUntil } from '../support/wait.ts'

/** What the page offers to the test; browser-page.js does it. */
interface PhonePage {
  register(options: { socket: string; uri: string; password: string; privateId: string }): void
  unregister(): void
  call(uri: string): void
  answer(): void
  hangUp(): void
  state(): Promise<BrowserPhoneState>
}

export interface BrowserPhoneState {
  readonly registration: 'none' | 'registered' | 'failed'
  readonly call: 'none' | 'calling' | 'ringing' | 'incoming' | 'confirmed' | 'ended' | 'failed'
  /** Why the call or the registration ended or failed, as JsSIP puts it. */
  readonly cause: string
  /** State of the track that carries the other side's voice: live, ended or none. */
  readonly remoteTrack: string
  readonly bytesReceived: number
  readonly bytesSent: number
}

/** A headless Chromium without a network of its own, and the little site from which it takes the phone. */
export class PhoneBrowser implements AsyncDisposable {
  readonly #browser: Browser
  readonly #site: Server
  readonly #home: TempDir

  private constructor(browser: Browser, site: Server, home: TempDir) {
    this.#browser = browser
    this.#site = site
    this.#home = home
  }

  static async start(): Promise<PhoneBrowser> {
    const home = new TempDir('chromium')
    const site = await serve(await bundle())
    const browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      headless: true,
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--use-fake-device-for-media-stream',
        '--use-fake-ui-for-media-stream',
        // Peers name their addresses instead of mDNS names, which nobody on loopback resolves.
        '--disable-features=WebRtcHideLocalIpsWithMdns',
      ],
      env: { ...definedEnvironment(), HOME: home.path },
    })
    return new PhoneBrowser(browser, site, home)
  }

  /** Opens a page that holds one phone, not yet registered. */
  async phone(identity: PhoneIdentity): Promise<BrowserPhone> {
    const context = await this.#browser.newContext({ permissions: ['microphone'] })
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('pageerror', error => complaints.push(error.message))
    page.on('console', message => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    await page.goto(`http://127.0.0.1:${(this.#site.address() as AddressInfo).port}/`)
    return new BrowserPhone(identity, page, complaints)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close()
    this.#site.closeAllConnections()
    this.#site.close()
    this.#home[Symbol.dispose]()
  }
}

/** One JsSIP phone in a page of its own. */
export class BrowserPhone implements AsyncDisposable {
  readonly identity: PhoneIdentity
  readonly #page: Page
  readonly #complaints: readonly string[]

  constructor(identity: PhoneIdentity, page: Page, complaints: readonly string[]) {
    this.identity = identity
    this.#page = page
    this.#complaints = complaints
  }

  get aor(): string {
    return `sip:${this.identity.user}@${this.identity.domain}`
  }

  async register(webSocketPort: number): Promise<void> {
    const { user, domain, password } = this.identity
    const privateId = `${user}@${domain}`
    const socket = `ws://127.0.0.1:${webSocketPort}`
    await this.#page.evaluate(
      options => {
        ;(globalThis as unknown as { phone: PhonePage }).phone.register(options)
      },
      { socket, uri: this.aor, password, privateId },
    )
  }

  /** Calls one of the page's functions that take at most an address. */
  async does(action: 'unregister' | 'call' | 'answer' | 'hangUp', uri = ''): Promise<void> {
    await this.#page.evaluate(
      ([name, to]) => {
        const { phone } = globalThis as unknown as { phone: Record<string, (uri: string) => void> }
        phone[name]?.(to)
      },
      [action, uri] as const,
    )
  }

  async state(): Promise<BrowserPhoneState> {
    return await this.#page.evaluate(async () => {
      return await (globalThis as unknown as { phone: PhonePage }).phone.state()
    })
  }

  /** Waits until the phone is in a state; if it does not get there, says where it is and what the page said. */
  async reaches(what: string, wanted: (state: BrowserPhoneState) => boolean): Promise<BrowserPhoneState> {
    try {
      return await waitUntil(`${this.identity.user} to be ${what}`, async () => {
        const state = await this.state()
        return wanted(state) ? state : undefined
      })
    } catch (error) {
      const now = JSON.stringify(await this.state())
      throw new Error(`${(error as Error).message}; it is ${now}\n${this.#complaints.join('\n')}`, {
        cause: error,
      })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#page.context().close()
  }
}

async function bundle(): Promise<string> {
  const result = await build({
    entryPoints: [join(import.meta.dirname, 'browser-page.js')],
    bundle: true,
    format: 'iife',
    write: false,
    logLevel: 'warning',
  })
  return result.outputFiles[0]?.text ?? ''
}

async function serve(script: string): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url === '/phone.js') response.setHeader('content-type', 'text/javascript').end(script)
    else
      response.setHeader('content-type', 'text/html').end('<!doctype html><script src="/phone.js"></script>')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function definedEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
