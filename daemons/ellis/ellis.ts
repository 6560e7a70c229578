import type { HttpAnswer } from '../../lib/http/message.ts'
import { HttpServer } from '../../lib/http/server.ts'
import type { Log } from '../../lib/kit/log.ts'

export interface EllisOptions {
  readonly log: Log
  readonly bind: string
  /** 80; 0 takes a free one. */
  readonly port: number
  /** Adds routes beside ellis's own, such as `/health` and `/metrics`. */
  readonly addRoutes?: (server: HttpServer) => void
}

export interface RunningEllis {
  readonly port: number
  /** Stops accepting and finishes the requests at work. */
  close(): Promise<void>
}

const PAGE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Ellis</title>
<h1>Ellis</h1>
<p>The portal is not built yet: this page shows that its host is up, and nothing can be done here.
Subscribers are provisioned with <code>cw user</code>.</p>
</html>
`

/**
 * Starts what there is of the portal: a page that says so, and the state of the process.
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED or ADDRESS_NOT_LOCAL
 */
export async function startEllis(options: EllisOptions): Promise<RunningEllis> {
  const server = new HttpServer({ log: options.log.with({ server: 'ellis' }) })
  server.route('/', { GET: page })
  options.addRoutes?.(server)
  const port = await server.listen(options.bind, options.port)
  return { port, close: () => server.close() }
}

function page(): HttpAnswer {
  return { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body: PAGE }
}
