import { STATUS_CODES } from 'node:http'
import type { HttpAnswer, HttpRequest } from './message.ts'
import { encodeMsgpack } from './msgpack.ts'

/**
 * The habits that homestead-prov and homer share (interfaces.md §1.6): an error explains itself in JSON, or by a
 * redirect to `?onfailure=`; JSON objects come as MessagePack for those who ask for it. A 204 has no body.
 */
export function crestShape(request: HttpRequest, answer: HttpAnswer): HttpAnswer {
  if (answer.status >= 400) return crestError(request, answer)
  if (!prefersMsgpack(request) || !isJson(answer) || typeof answer.body !== 'string') return answer
  return {
    ...answer,
    headers: { ...answer.headers, 'content-type': 'application/x-msgpack' },
    body: encodeMsgpack(JSON.parse(answer.body)),
  }
}

function crestError(request: HttpRequest, answer: HttpAnswer): HttpAnswer {
  const message = STATUS_CODES[answer.status] ?? 'Unknown'
  const error = { error: true, status: answer.status, message, reason: answer.reason ?? message, detail: {} }
  const onfailure = request.query.onfailure
  if (onfailure !== undefined && /^https?:\/\//i.test(onfailure)) {
    const values = { ...error, status: String(error.status), error: 'true', detail: '{}' }
    const query = Object.entries(values)
      .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
      .join('&')
    return {
      status: 302,
      headers: { location: `${onfailure}${onfailure.includes('?') ? '&' : '?'}${query}` },
    }
  }
  const msgpack = prefersMsgpack(request)
  return {
    status: answer.status,
    headers: { ...answer.headers, 'content-type': msgpack ? 'application/x-msgpack' : 'application/json' },
    body: msgpack ? encodeMsgpack(error) : JSON.stringify(error),
  }
}

function prefersMsgpack(request: HttpRequest): boolean {
  const { accept } = request.headers
  return typeof accept === 'string' && accept.includes('application/x-msgpack')
}

function isJson(answer: HttpAnswer): boolean {
  return answer.headers?.['content-type']?.startsWith('application/json') === true
}
