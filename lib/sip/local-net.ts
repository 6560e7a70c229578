import type { ServicePoint, SipFunction } from './exchange.ts'

/** A SIP function that can be reached inside this process. */
export interface LocalFunction {
  readonly point: ServicePoint
  readonly handle: SipFunction
}

/**
 * The addresses that are served inside this process: a request to one of them is handed over as the value it is,
 * instead of being written to a socket and parsed again.
 */
export class LocalNet {
  readonly #byHost = new Map<string, Map<number, LocalFunction>>()

  /** Announces a function under a host. Port 0 stands for a URI without a port. */
  announce(host: string, port: number, target: LocalFunction): void {
    const key = host.toLowerCase()
    let ports = this.#byHost.get(key)
    if (ports === undefined) this.#byHost.set(key, (ports = new Map<number, LocalFunction>()))
    ports.set(port, target)
  }

  find(host: string, port: number | undefined): LocalFunction | undefined {
    const ports = this.#byHost.get(host) ?? this.#byHost.get(host.toLowerCase())
    return ports?.get(port ?? 0)
  }

  /** True if any function of this process answers under the host. */
  knows(host: string): boolean {
    return this.#byHost.has(host) || this.#byHost.has(host.toLowerCase())
  }
}
