import { H } from '../sip/header-names.ts'
import type { Headers } from '../sip/headers.ts'
import type { SipRequest, SipResponse } from '../sip/message.ts'
import { parseDeltaSeconds } from '../sip/values.ts'

/** Lowest Session-Expires there is (RFC 4028 §4). */
const LOWEST_MIN_SE = 90

/**
 * Asks for a session timer as a proxy (RFC 4028 §8.1): a shorter interval than ours stays, any other becomes ours
 * or what Min-SE demands.
 *
 * @param interval seconds
 */
export function withSessionExpires(request: SipRequest, interval: number): Headers {
  const { headers } = request
  if (request.method !== 'INVITE' && request.method !== 'UPDATE') return headers
  const given = secondsOf(headers.get(H['Session-Expires']))
  if (given !== undefined && given < interval) return headers
  const least = secondsOf(headers.get(H['Min-SE'])) ?? LOWEST_MIN_SE
  return headers
    .edit()
    .set(H['Session-Expires'], String(Math.max(interval, least)))
    .done()
}

/**
 * Keeps the timer in a 2xx whose sender does not know timers, if the caller does (RFC 4028 §8.2): the caller
 * refreshes.
 *
 * @param asked the request as the caller sent it
 * @param sent the request as it went on
 */
export function withSessionAnswer(response: SipResponse, asked: SipRequest, sent: SipRequest): SipResponse {
  if (response.status < 200 || response.status >= 300) return response
  if (asked.method !== 'INVITE' && asked.method !== 'UPDATE') return response
  if (response.headers.has(H['Session-Expires'])) return response
  const interval = sent.headers.get(H['Session-Expires'])
  if (interval === undefined || !supports(asked.headers, 'timer')) return response
  const edit = response.headers.edit().set(H['Session-Expires'], `${interval};refresher=uac`)
  return response.with(edit.append(H.Require, 'timer').done())
}

/** True if a Supported or Require header names the option. */
export function supports(headers: Headers, option: string): boolean {
  return (
    headers.lines(H.Supported).some(line => names(line, option)) ||
    headers.lines(H.Require).some(line => names(line, option))
  )
}

function names(line: string, option: string): boolean {
  return line.split(',').some(tag => tag.trim().toLowerCase() === option)
}

function secondsOf(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const semicolon = value.indexOf(';')
  return parseDeltaSeconds(semicolon < 0 ? value : value.slice(0, semicolon).trimEnd())
}
