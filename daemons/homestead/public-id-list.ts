import { refuse, type HttpAnswer, type HttpRequest } from '../../lib/http/message.ts'
import type { HttpServer } from '../../lib/http/server.ts'
import type { Clock, Duration } from '../../lib/kit/clock.ts'
import type { ListedPublicUser, ProvisioningStore, RingPart } from '../../lib/store/provisioning-store.ts'

export interface PublicIdListOptions {
  readonly store: ProvisioningStore
  readonly clock: Clock
  /** Between the parts of a whole list, so that it does not slow down the core. */
  readonly pause: Duration
}

const DEFAULT_PARTS = 256

/** `GET /public/`: all public identities, or one part of the ring (interfaces.md §2.5), streamed. */
export function addPublicIdList(server: HttpServer, options: PublicIdListOptions): void {
  server.route('/public', { GET: request => list(options, request) })
}

function list(options: PublicIdListOptions, request: HttpRequest): HttpAnswer {
  const of = natural(request.query['chunk-proportion'] ?? String(DEFAULT_PARTS))
  const { chunk } = request.query
  const single = chunk === undefined ? undefined : natural(chunk)
  if (of === undefined || of === 0) return refuse(400, 'chunk-proportion is not a number from 1')
  if (chunk !== undefined && (single === undefined || single >= of))
    return refuse(400, 'chunk is not a number from 0 to chunk-proportion - 1')
  const bare = request.query.excludeuuids?.toLowerCase() === 'true'
  const parts = single === undefined ? wholeRing(options, of) : [{ of, chunk: single }]
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: document(options.store, parts, bare),
  }
}

async function* wholeRing({ clock, pause }: PublicIdListOptions, of: number): AsyncGenerator<RingPart> {
  for (let chunk = 0; chunk < of; chunk++) {
    yield { of, chunk }
    if (chunk + 1 < of) await new Promise<void>(resolve => clock.after(pause, resolve))
  }
}

async function* document(
  store: ProvisioningStore,
  parts: Iterable<RingPart> | AsyncIterable<RingPart>,
  bare: boolean,
): AsyncGenerator<string> {
  yield '{"public_ids": ['
  let separator = ''
  for await (const part of parts) {
    for await (const users of store.publicUsers(part)) {
      if (users.length === 0) continue
      yield separator + users.map(user => JSON.stringify(item(user, bare))).join(', ')
      separator = ', '
    }
    // White space keeps the connection from looking dead while parts are empty.
    yield '\n'
  }
  yield ']}'
}

function item(user: ListedPublicUser, bare: boolean): unknown {
  return bare ? { public_id: user.impu } : { public_id: user.impu, sp: user.profile, irs: user.irs }
}

function natural(text: string): number | undefined {
  const value = Number(text)
  return /^\d+$/.test(text) && Number.isSafeInteger(value) ? value : undefined
}
