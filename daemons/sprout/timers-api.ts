import { empty, refuse } from '../../lib/http/message.ts'
import type { HttpServer } from '../../lib/http/server.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { ChronosTimers } from '../../lib/timers/chronos/client.ts'

/** Where chronos tells that a timer has popped (interfaces.md §9.1). What is not answered 200 it tells again. */
export function addTimerRoute(server: HttpServer, timers: ChronosTimers, log: Log): void {
  server.route('/timers', {
    POST: async ({ body }) => {
      try {
        const result = await timers.pop(body)
        if (result === 'not mine') return refuse(400, 'no timer of a sprout')
        return empty(result === 'handled' ? 200 : 503)
      } catch (error) {
        log.warn('a timer could not be handled; it pops again', { error })
        return empty(500)
      }
    },
  })
}
