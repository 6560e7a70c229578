import { empty, type HttpAnswer, type HttpRequest } from '../../lib/http/message.ts'
import { counter, type Metric } from '../../lib/kit/metric.ts'
import { HttpServer } from '../../lib/http/server.ts'
import { finishedCalls, formatCallList } from '../../lib/ims/call-list/calls.ts'
import type { Homestead } from '../../lib/ims/homestead.ts'
import { impuFromText } from '../../lib/ims/subscription-xml.ts'
import type { Clock } from '../../lib/kit/clock.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { Admission } from '../../lib/overload/admission.ts'
import type { CallListStore } from '../../lib/store/call-list-store.ts'
import type { ChallengeStore } from '../../lib/store/challenge-store.ts'
import { Authentication, type HttpChallenge } from './authentication.ts'

export interface MementoOptions {
  readonly clock: Clock
  readonly log: Log
  /** Opened by the caller, who also closes it. */
  readonly callLists: CallListStore
  readonly homestead: Pick<Homestead, 'authVector'>
  readonly challenges: ChallengeStore<HttpChallenge>
  readonly homeDomain: string
  /** `memento_api_key`. */
  readonly apiKey?: string
  readonly bind: string
  /** 11888; 0 takes a free one. */
  readonly port: number
  readonly admission?: Admission
  /** Adds routes beside memento's own, such as `/health` and `/metrics`. */
  readonly addRoutes?: (server: HttpServer) => void
}

export interface RunningMemento {
  readonly port: number
  readonly metrics: () => readonly Metric[]
  /** Stops accepting and finishes the requests at work; the store stays open. */
  close(): Promise<void>
}

const CALL_LIST = '/org.projectclearwater.call-list/users/:impu/call-list.xml'

interface Counts {
  requests: number
  /** Lists that were given out, and the calls in them. */
  lists: number
  calls: number
}

/**
 * Starts the server at which subscribers read their call lists (interfaces.md §13).
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED or ADDRESS_NOT_LOCAL
 */
export async function startMemento(options: MementoOptions): Promise<RunningMemento> {
  const { callLists, log, admission } = options
  const authentication = new Authentication(options)
  const counts: Counts = { requests: 0, lists: 0, calls: 0 }
  const server = new HttpServer({
    log: log.with({ server: 'memento' }),
    gzip: true,
    ...(admission === undefined ? {} : { admission }),
  })

  server.route(CALL_LIST, {
    GET: async (request: HttpRequest): Promise<HttpAnswer> => {
      counts.requests++
      const impu = impuFromText(request.params.impu ?? '')
      const refusal = await authentication.refusalOf(request, impu)
      if (refusal !== undefined) return refusal
      try {
        const calls = finishedCalls(await callLists.fragments(impu))
        counts.lists++
        counts.calls += calls.length
        return { status: 200, headers: HEADERS, body: formatCallList(calls) }
      } catch (error) {
        log.error('a call list could not be read', { impu, error })
        return empty(500)
      }
    },
  })
  options.addRoutes?.(server)
  const port = await server.listen(options.bind, options.port)
  const metrics = (): readonly Metric[] => metricsOf(counts, authentication, admission)
  return { port, metrics, close: () => server.close() }
}

const HEADERS = {
  'content-type': 'application/vnd.projectclearwater.call-list+xml',
  'cache-control': 'no-store',
} as const

function metricsOf(
  counts: Counts,
  { counts: authentications }: Authentication,
  admission: Admission | undefined,
): readonly Metric[] {
  return [
    counter('memento_requests', 'Requests for call lists.', [{ value: counts.requests }]),
    counter('memento_requests_refused', 'Requests that were refused because of overload.', [
      { value: admission?.figures.refused ?? 0 },
    ]),
    counter(
      'memento_authentications',
      'Attempts to authenticate, by how they came out.',
      Object.entries(authentications).map(([outcome, value]) => ({ labels: { outcome }, value })),
    ),
    counter('memento_lists', 'Call lists that were given out.', [{ value: counts.lists }]),
    counter('memento_calls', 'Calls in those lists.', [{ value: counts.calls }]),
  ]
}
