import { randomBytes } from 'node:crypto'
import type { HttpServers } from '../../lib/http/client.ts'
import { empty, json, refuse, text, type HttpAnswer, type HttpRequest } from '../../lib/http/message.ts'
import type { Metric } from '../../lib/kit/metric.ts'
import { HttpServer } from '../../lib/http/server.ts'
import { seconds, type Clock, type Timer } from '../../lib/kit/clock.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { Admission } from '../../lib/overload/admission.ts'
import {
  formatReplication,
  formatTimerId,
  parseTimerId,
  parseTimerRequest,
} from '../../lib/timers/chronos/timer.ts'
import { viewId, type ChronosView } from './cluster.ts'
import { ChronosNode } from './node.ts'
import { Peers } from './peers.ts'

export interface ChronosOptions {
  readonly bind: string
  /** 7253 on every node of a cluster; 0 takes a free one, for a node without others. */
  readonly port: number
  readonly view: ChronosView
  readonly clock: Clock
  readonly log: Log
  /** How hosts of callbacks are found. */
  readonly servers: HttpServers
  readonly admission?: Admission
  readonly addRoutes?: (server: HttpServer) => void
}

export interface RunningChronos {
  readonly port: number
  /** Goes by another view of the cluster. */
  follow(view: ChronosView): void
  status(): Readonly<Record<string, unknown>>
  metrics(): readonly Metric[]
  close(): Promise<void>
}

/** A node that did not answer when this one wanted to know its timers is asked again. */
const CATCH_UP_AGAIN = seconds(10)

/**
 * Opens one node of a chronos cluster: its HTTP interface (interfaces.md §12), behind it its share of the timers. It has none
 * at first, and asks the other nodes for those that it should have.
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED or ADDRESS_NOT_LOCAL
 */
export async function startChronos(options: ChronosOptions): Promise<RunningChronos> {
  const { clock, log, servers, view } = options
  const server = new HttpServer({
    log,
    ignoreTrailingSlash: true,
    ...(options.admission === undefined ? {} : { admission: options.admission }),
  })
  let node: ChronosNode | undefined
  addTimerRoutes(server, () => node, clock)
  options.addRoutes?.(server)
  const port = await server.listen(options.bind, options.port)
  const peers = new Peers({ port, servers })
  const running = (node = new ChronosNode({ clock, log, peers, view }))
  let again: Timer | undefined
  const keepCatchingUp = async (): Promise<void> => {
    again?.cancel()
    await running.catchUp()
    if (!running.hasHeardAll) again = clock.after(CATCH_UP_AGAIN, () => void keepCatchingUp())
  }
  void keepCatchingUp()
  return {
    port,
    follow: next => void running.follow(next).then(keepCatchingUp),
    status: () => ({
      nodes: running.view.nodes,
      leaving: running.view.leaving,
      synchronised: running.synchronised,
      timers: running.totals().all,
    }),
    metrics: () => metricsOf(running),
    close: async () => {
      again?.cancel()
      running.close()
      await server.close()
      await peers.close()
    },
  }
}

function addTimerRoutes(server: HttpServer, nodeOf: () => ChronosNode | undefined, clock: Clock): void {
  const withNode = (use: (request: HttpRequest, node: ChronosNode) => Promise<HttpAnswer> | HttpAnswer) => {
    return (request: HttpRequest): Promise<HttpAnswer> | HttpAnswer => {
      const node = nodeOf()
      return node === undefined ? empty(503) : use(request, node)
    }
  }
  server.route('/timers', {
    POST: withNode((request, node) => put(randomBytes(8).toString('hex'), undefined, request, node)),
    GET: withNode((request, node) => list(request, node, clock)),
  })
  server.route('/timers/:id', {
    PUT: withNode((request, node) => {
      const id = parseTimerId(request.params.id ?? '')
      return id === undefined ? empty(404) : put(id.id, id.factor, request, node)
    }),
    DELETE: withNode(async (request, node) => {
      const id = parseTimerId(request.params.id ?? '')
      if (id === undefined) return empty(404)
      await node.delete(id.id, id.factor)
      return located(formatTimerId(id.id, id.factor))
    }),
  })
}

async function put(
  id: string,
  factor: number | undefined,
  request: HttpRequest,
  node: ChronosNode,
): Promise<HttpAnswer> {
  const parsed = parseTimerRequest(request.body)
  if (typeof parsed === 'string') return wrong(parsed)
  const result = await node.put(id, parsed, factor)
  return typeof result === 'string' ? located(result) : wrong(result.wrong)
}

/** Timers that another node of the same view should have. */
function list({ query }: HttpRequest, node: ChronosNode, clock: Clock): HttpAnswer {
  const asking = query['node-for-replicas'] ?? ''
  if (query['sync-mode'] !== 'SCALE') return wrong('sync-mode is SCALE')
  if (query['cluster-view-id'] !== viewId(node.view)) return wrong('cluster-view-id is another one here')
  if (!node.view.nodes.includes(asking)) return wrong('node-for-replicas is no node of this cluster')
  const { timers, isLast } = node.page(asking, query.after ?? '')
  const now = clock.now()
  const body = {
    Timers: timers.map(timer => ({
      TimerID: formatTimerId(timer.id, timer.replicas.length),
      Timer: JSON.parse(formatReplication(timer, now)) as unknown,
    })),
  }
  if (isLast) return json(body)
  const answer = json(body, 206)
  return { ...answer, headers: { ...answer.headers, 'content-range': `${timers.length}` } }
}

function located(id: string): HttpAnswer {
  return { status: 200, headers: { location: `/timers/${id}` } }
}

function wrong(why: string): HttpAnswer {
  return { ...text(`${why}\n`), ...refuse(400, why) }
}

function metricsOf(node: ChronosNode): readonly Metric[] {
  const { all, own, tags } = node.totals()
  const { pops, failedPops, givenUp, replications, lostReplications } = node.counts
  const one = (name: string, type: Metric['type'], help: string, value: number): Metric => ({
    name: `clearwater_chronos_${name}`,
    type,
    help,
    samples: [{ value }],
  })
  return [
    one('timers', 'gauge', 'Timers on this node, as any of their replicas.', all),
    one(
      'own_timers',
      'gauge',
      'Timers whose first replica this node is: their sum over all nodes is all there are.',
      own,
    ),
    {
      name: 'clearwater_chronos_tagged',
      type: 'gauge',
      help: 'What the timers of which this node is the first replica stand for.',
      samples: [...tags].map(([type, value]) => ({ labels: { type }, value })),
    },
    one('pops_total', 'counter', 'Pops that were taken.', pops),
    one('failed_pops_total', 'counter', 'Pops that nobody took.', failedPops),
    one('given_up_total', 'counter', 'Timers whose pop nobody took for too long.', givenUp),
    one('replications_total', 'counter', 'Timers that other nodes were told of.', replications),
    one(
      'lost_replications_total',
      'counter',
      'Timers that another node could not be told of.',
      lostReplications,
    ),
  ]
}
