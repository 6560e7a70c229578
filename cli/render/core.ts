import { uriHost } from '../../lib/kit/address.ts'

/** A core as its users see it. */
export interface CoreView {
  readonly version: string
  readonly domain: string
  readonly address: string
  readonly bind: string
  readonly ports: Readonly<Record<'client' | 'webSocket' | 'provisioning', number>>
  readonly portOffset: number
  readonly dataDir: string
  readonly readyAfterMs: number
}

/** What a phone is set to, and what to do first. `cw` is how the reader calls this program. */
export function formatCore(core: CoreView, cw: string): string {
  const { proxy, webSocket } = addressesOf(core)
  const offset = core.portOffset === 0 ? '' : ` --port-offset ${core.portOffset}`
  const reach =
    core.bind === '127.0.0.1' || core.bind === '::1'
      ? `Only phones on this machine reach it; with --bind 0.0.0.0 those on the network do.`
      : `Phones on the network reach it; provisioning (${core.ports.provisioning}) stays on this machine.`
  return `Clearwater ${core.version} is ready after ${(core.readyAfterMs / 1000).toFixed(1)} s. Data: ${core.dataDir}

  Set a phone to
    domain      ${core.domain}
    proxy       ${proxy}  (UDP or TCP)
    WebSocket   ${webSocket}
    user        6505550001, authentication name 6505550001@${core.domain}

  Give it a subscriber
    ${cw} user create 6505550001 ${core.domain} PASSWORD${offset}

${reach} Ctrl-C stops it.`
}

export function addressesOf({ address, ports }: Pick<CoreView, 'address' | 'ports'>): {
  readonly proxy: string
  readonly webSocket: string
} {
  const host = uriHost(address)
  return { proxy: `${host}:${ports.client}`, webSocket: `ws://${host}:${ports.webSocket}` }
}
