import { sipRequest, TestExchange } from '../../../lib/ims/testing.ts'
import type { SipUri } from '../../../lib/sip/uri.ts'
import type { ServerName } from '../options.ts'
import { openCore, type TestCore } from '../testing.ts'
import { Invocation, type ApplicationServer } from './invocation.ts'

export const BACK = 'sip:odi_x@127.0.0.1:5054;lr;service=scscf'

/** A request at a built-in server, for the user whom the S-CSCF visits it for. */
export interface Visited extends TestCore {
  readonly exchange: TestExchange
  /** Ends when the server is done with the request. */
  readonly done: Promise<void>
}

export interface VisitOptions {
  readonly method?: string
  readonly uri?: string
  /** Parameters of the server's URI. */
  readonly params?: string
  /** P-Served-User; '' for none. */
  readonly user?: string
  readonly lines?: readonly string[]
  readonly body?: string
  /** What the far side does with what the server sends. */
  readonly farSide?: TestCore['sender']['farSide']
}

export function visit(name: ServerName, server: ApplicationServer, options: VisitOptions = {}): Visited {
  const opened = openCore()
  const { method = 'INVITE', uri = 'sip:bob@example.com', params = '', lines = [], body = '' } = options
  const { user = '<sip:bob@example.com>;sescase=term;regstate=reg' } = options
  const route = `Route: <sip:${name}.sprout.example.com;lr${params}>, <${BACK}>`
  const served = user === '' ? [] : [`P-Served-User: ${user}`]
  const exchange = new TestExchange(sipRequest(method, uri, [route, ...served, ...lines], body))
  if (options.farSide !== undefined) opened.sender.farSide = options.farSide
  const isOwn = ({ host }: SipUri): boolean => host === `${name}.sprout.example.com`
  const done = Promise.resolve(server(new Invocation(name, exchange, isOwn, opened.core)))
  return { ...opened, exchange, done }
}
