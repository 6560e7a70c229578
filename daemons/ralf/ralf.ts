import { refuse } from '../../lib/http/message.ts'
import { HttpServer } from '../../lib/http/server.ts'
import type { Log } from '../../lib/kit/log.ts'

export interface RalfOptions {
  readonly log: Log
  readonly bind: string
  /** 10888; 0 takes a free one. */
  readonly port: number
  /** Adds routes beside ralf's own, such as `/health` and `/metrics`. */
  readonly addRoutes?: (server: HttpServer) => void
}

export interface RunningRalf {
  readonly port: number
  /** Stops accepting and finishes the requests at work. */
  close(): Promise<void>
}

/**
 * Starts what there is of the charging trigger: the state of the process. Charging events are refused (501), so that
 * whoever reports one does not take it for charged.
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED or ADDRESS_NOT_LOCAL
 */
export async function startRalf(options: RalfOptions): Promise<RunningRalf> {
  const server = new HttpServer({ log: options.log.with({ server: 'ralf' }) })
  server.route('/call-id/:callId', { POST: () => refuse(501) })
  options.addRoutes?.(server)
  const port = await server.listen(options.bind, options.port)
  return { port, close: () => server.close() }
}
