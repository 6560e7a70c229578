import { HttpClient } from '../../lib/http/client.ts'
import { seconds } from '../../lib/kit/clock.ts'

/**
 * Asks daemons at their `/health`.
 *
 * @param urls where each says how it is; one that is not here has nothing to say and counts as healthy
 */
export function healthByHttp(
  urls: Readonly<Partial<Record<string, string>>>,
): (daemon: string) => Promise<boolean> {
  return async daemon => {
    const url = urls[daemon]
    if (url === undefined) return true
    const { origin, pathname } = new URL(url)
    const client = new HttpClient({ origin, timeout: seconds(3), connectTimeout: seconds(2), connections: 1 })
    try {
      const result = await client.request({ method: 'GET', path: pathname })
      return result.kind === 'answer' && result.status === 200
    } finally {
      await client.close()
    }
  }
}
