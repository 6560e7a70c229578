import { seconds } from '../kit/clock.ts'
import { HttpClient } from './client.ts'
import { jsonObject } from './message.ts'

/** What a daemon says of itself at `/status`; undefined if it does not answer. */
export type AskStatus = (daemon: string) => Promise<Readonly<Record<string, unknown>> | undefined>

/**
 * Asks daemons of this node over HTTP.
 *
 * @param origins where each answers; one that is not here has nothing to say
 */
export function statusByHttp(origins: Readonly<Partial<Record<string, string>>>): AskStatus {
  return async daemon => {
    const origin = origins[daemon]
    if (origin === undefined) return undefined
    const client = new HttpClient({ origin, timeout: seconds(3), connectTimeout: seconds(2), connections: 1 })
    try {
      const result = await client.request({ method: 'GET', path: '/status' })
      return result.kind === 'answer' && result.status === 200 ? jsonObject(result.body) : undefined
    } finally {
      await client.close()
    }
  }
}
