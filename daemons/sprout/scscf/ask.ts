import type { NextHop } from '../../../lib/sip/exchange.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import type { Core } from '../core.ts'

/** Sends a request of the S-CSCF's own. @returns the final status, or what stands for none: 408, 503 */
export function ask(request: SipRequest, hop: NextHop, core: Core): Promise<number> {
  return new Promise(resolve => {
    core.node.send(request, hop, core.nameOf('scscf'), undefined, {
      begun: () => undefined,
      response: ({ status }) => {
        if (status >= 200) resolve(status)
      },
      noAnswer: why => resolve(why === 'timeout' ? 408 : 503),
    })
  })
}
