import type { Readable } from 'node:stream'

export type HttpMethod = 'GET' | 'PUT' | 'POST' | 'DELETE' | 'PATCH' | 'OPTIONS'

/** A request as a handler sees it: path and query values are percent-decoded, `+` is literal. */
export interface HttpRequest {
  readonly method: string
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** UTF-8 text; empty without a body, and for a route that takes a stream. */
  readonly body: string
  /** The body as it arrives, for a route that takes a stream. */
  readonly stream?: Readable
}

export interface HttpAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** Pieces are sent as they come, with back-pressure. */
  readonly body?: string | Uint8Array | AsyncIterable<string>
  /** One line about an error, for servers whose error bodies explain themselves. */
  readonly reason?: string
}

export type HttpHandler = (request: HttpRequest) => HttpAnswer | Promise<HttpAnswer>

export function text(body: string): HttpAnswer {
  return { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body }
}

export function json(body: unknown, status = 200): HttpAnswer {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

export function xml(body: string): HttpAnswer {
  return { status: 200, headers: { 'content-type': 'application/xml' }, body }
}

export function empty(status: number): HttpAnswer {
  return { status }
}

/** A status with the sentence that explains it. */
export function refuse(status: number, reason?: string): HttpAnswer {
  return reason === undefined ? { status } : { status, reason }
}

/** The JSON object that a body is; undefined if it is anything else. */
export function jsonObject(body: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Whether a value of JSON is an object, and no list. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Percent-encodes a path part: everything but letters, digits and `- . _ ~`, with upper-case hex digits.
 */
export function encodePathPart(value: string): string {
  return encodeURIComponent(value).replace(
    /[!'()*]/g,
    char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** Reads a query string; `+` is literal, the first of several values counts, bad escapes stay as they are. */
export function parseQuery(query: string): Record<string, string> {
  const values: Record<string, string> = Object.create(null) as Record<string, string>
  for (const pair of query.split('&', 100)) {
    const equals = pair.indexOf('=')
    const name = decode(equals === -1 ? pair : pair.slice(0, equals))
    if (name !== '') values[name] ??= equals === -1 ? '' : decode(pair.slice(equals + 1))
  }
  return values
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
