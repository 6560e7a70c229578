import { uriHost } from '../../../lib/kit/address.ts'
import { millis } from '../../../lib/kit/clock.ts'
import { HttpClient } from '../../../lib/http/client.ts'
import type { Finding } from './edge.ts'
import type { ServicePlace } from './place.ts'

const REQUEST = 'GET /health'

/** Asks a daemon how it is. */
export async function askHealth(door: ServicePlace['daemons'][number], answerMs: number): Promise<Finding> {
  const begun = performance.now()
  await using way = await door.open()
  const origin = `http://${uriHost(way.host)}:${way.port}`
  const client = new HttpClient({ origin, timeout: millis(answerMs), connectTimeout: millis(answerMs) })
  try {
    const result = await client.request({ method: 'GET', path: '/health' })
    const ms = Math.round(performance.now() - begun)
    const hop = `${door.node} → its ${door.daemon}`
    if (result.kind !== 'answer') {
      return { steps: [{ sent: REQUEST, ms }], failure: { hop, why: `${door.daemon} never answered` } }
    }
    const answer = `${result.status}`
    const steps = [{ sent: REQUEST, answer, ms }]
    if (result.status === 200) return { steps }
    const why = `${door.daemon} says of itself that it is not well`
    return { steps, failure: { hop, answeredBy: door.node, answer, why } }
  } finally {
    await client.close()
  }
}
