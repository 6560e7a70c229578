import { areParams, param } from './params.ts'
import { equalsIgnoreCase, endWithoutLws, parseDigits, skipClass, skipLws, TOKEN } from './scan.ts'
import { endOfHost } from './uri.ts'

/** One Via value (RFC 3261 §20.42). */
export interface Via {
  /** In upper case: `UDP`, `TCP`, `TLS`, `WS` … */
  readonly transport: string
  /** As written, an IPv6 address in brackets. */
  readonly host: string
  readonly port: number | undefined
  /** From the first `;` on, or ''. */
  readonly params: string
}

/**
 * Reads one Via value; undefined if its syntax is bad.
 *
 * A version other than 2.0 passes: what to answer to it is the start line's matter.
 */
export function parseVia(text: string): Via | undefined {
  return readVia(text, true)
}

/**
 * What can be read of a Via value, malformed parameters left out: enough to send a 400 back along it (RFC 4475
 * §3.1.2.1). Undefined if its protocol or sent-by is bad too.
 */
export function salvageVia(text: string): Via | undefined {
  return readVia(text, false)
}

function readVia(text: string, strict: boolean): Via | undefined {
  const name = skipLws(text, 0)
  const nameEnd = skipClass(TOKEN, text, name)
  if (!equalsIgnoreCase(text, name, nameEnd, 'SIP')) return undefined
  const version = afterSlash(text, nameEnd)
  const versionEnd = skipClass(TOKEN, text, version)
  const transport = afterSlash(text, versionEnd)
  const transportEnd = skipClass(TOKEN, text, transport)
  const host = skipLws(text, transportEnd)
  if (versionEnd === version || transportEnd === transport || host === transportEnd) return undefined

  const hostEnd = endOfHost(text, host)
  if (hostEnd === -1) return undefined
  let at = skipLws(text, hostEnd)
  let port: number | undefined
  if (text.charCodeAt(at) === 0x3a) {
    const portFrom = skipLws(text, at + 1)
    at = portFrom
    while (text.charCodeAt(at) >= 0x30 && text.charCodeAt(at) <= 0x39) at++
    port = parseDigits(text, portFrom, at, 65535)
    if (port === undefined) return undefined
    at = skipLws(text, at)
  }
  const wellFormed = areParams(text, at)
  if (!wellFormed && strict) return undefined
  return {
    transport: text.slice(transport, transportEnd).toUpperCase(),
    host: text.slice(host, hostEnd),
    port,
    params: wellFormed ? text.slice(at, endWithoutLws(text, at, text.length)) : '',
  }
}

/** The text of a Via value. */
export function formatVia(via: Via): string {
  const sentBy = via.port === undefined ? via.host : `${via.host}:${via.port}`
  return `SIP/2.0/${via.transport} ${sentBy}${via.params}`
}

export function branchOf(via: Via): string | undefined {
  return param(via.params, 'branch')
}

/** The address the message came from, without the brackets that some put around IPv6 (RFC 5118 §4.5). */
export function receivedOf(via: Via): string | undefined {
  const received = param(via.params, 'received')
  return received?.startsWith('[') && received.endsWith(']') ? received.slice(1, -1) : received
}

/** Whether the sender asks for, or was told, its source port (RFC 3581). */
export function hasRport(via: Via): boolean {
  return param(via.params, 'rport') !== undefined
}

/** The port the message came from; undefined when `rport` is absent, still empty, or no port. */
export function rportOf(via: Via): number | undefined {
  const rport = param(via.params, 'rport')
  return rport === undefined ? undefined : parseDigits(rport, 0, rport.length, 65535)
}

export function maddrOf(via: Via): string | undefined {
  return param(via.params, 'maddr')
}

export function ttlOf(via: Via): number | undefined {
  const ttl = param(via.params, 'ttl')
  return ttl === undefined ? undefined : parseDigits(ttl, 0, ttl.length, 255)
}

/** The position after the slash and white space around it; the text's end if there is no slash. */
function afterSlash(text: string, at: number): number {
  const slash = skipLws(text, at)
  return text.charCodeAt(slash) === 0x2f ? skipLws(text, slash + 1) : text.length
}
