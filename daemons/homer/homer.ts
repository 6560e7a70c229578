import { crestShape } from '../../lib/http/crest.ts'
import { empty, json, refuse, type HttpAnswer, type HttpRequest } from '../../lib/http/message.ts'
import { HttpServer } from '../../lib/http/server.ts'
import type { Impu } from '../../lib/ims/identity.ts'
import { impuFromText } from '../../lib/ims/subscription-xml.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { DocumentStore } from '../../lib/store/document-store.ts'
import { simservsFault } from './simservs-schema.ts'

export interface HomerOptions {
  readonly log: Log
  /** Opened by the caller, who also closes it. */
  readonly documents: DocumentStore
  readonly bind: string
  /** 7888; 0 takes a free one. */
  readonly port: number
  /** Whether the store can be reached: what `GET /ping` says. */
  readonly isAlive?: () => boolean
  /** Adds routes beside homer's own, such as `/health` and `/metrics`. */
  readonly addRoutes?: (server: HttpServer) => void
}

export interface RunningHomer {
  readonly port: number
  /** Stops accepting and finishes the requests at work; the store stays open. */
  close(): Promise<void>
}

const SIMSERVS = '/org.etsi.ngn.simservs/users/:impu/simservs.xml'

/**
 * Starts the XDMS for the MMTel service documents of users (interfaces.md §3).
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED or ADDRESS_NOT_LOCAL
 */
export async function startHomer(options: HomerOptions): Promise<RunningHomer> {
  const { documents } = options
  const server = new HttpServer({
    log: options.log.with({ server: 'homer' }),
    ignoreTrailingSlash: true,
    gzip: true,
    shape: crestShape,
    ...(options.isAlive === undefined ? {} : { isAlive: options.isAlive }),
  })
  server.route(SIMSERVS, {
    GET: async request => {
      const document = await documents.get(impuOf(request))
      return document === undefined ? empty(404) : simservs(document)
    },
    PUT: async request => {
      const fault = simservsFault(request.body)
      if (fault !== undefined) return refuse(400, fault)
      await documents.put(impuOf(request), request.body)
      return json({})
    },
    DELETE: async request => {
      await documents.remove(impuOf(request))
      return empty(204)
    },
  })
  options.addRoutes?.(server)
  const port = await server.listen(options.bind, options.port)
  return { port, close: () => server.close() }
}

function simservs(body: string): HttpAnswer {
  return { status: 200, headers: { 'content-type': 'application/vnd.etsi.simservs+xml' }, body }
}

function impuOf(request: HttpRequest): Impu {
  return impuFromText(request.params.impu ?? '')
}
