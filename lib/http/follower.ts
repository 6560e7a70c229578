import type { Log } from '../kit/log.ts'
import { addMonitoringRoutes } from './monitoring.ts'
import type { Metric } from '../kit/metric.ts'
import { HttpServer } from './server.ts'

/** What follows something elsewhere, and can be asked how that goes. */
export interface Follower {
  /** False once it stops. */
  readonly isWorking: boolean
  status(): Readonly<Record<string, unknown>>
  metrics(): readonly Metric[]
  /** Follows until it is closed. */
  follow(): Promise<void>
  close(): Promise<void>
}

interface FollowerOptions {
  /** As the log says it. */
  readonly name: string
  readonly log: Log
  readonly bind: string
  /** 0 takes a free one. */
  readonly port: number
  /** Adds what it has beside the pages of all. */
  readonly addRoutes?: (server: HttpServer) => void
}

export interface RunningFollower {
  readonly port: number
  /** Stops following, and then answering. */
  close(): Promise<void>
}

/**
 * Starts a follower behind its health page, which answers before anything has been learned.
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED or ADDRESS_NOT_LOCAL
 */
export async function startFollower(follower: Follower, options: FollowerOptions): Promise<RunningFollower> {
  const server = new HttpServer({ log: options.log.with({ server: options.name }) })
  addMonitoringRoutes(server, {
    healthy: () => follower.isWorking,
    status: () => follower.status(),
    metrics: () => follower.metrics(),
  })
  options.addRoutes?.(server)
  const port = await server.listen(options.bind, options.port)
  const following = follower.follow()
  return {
    port,
    close: async () => {
      await follower.close()
      await following
      await server.close()
    },
  }
}
