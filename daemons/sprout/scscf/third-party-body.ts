import type { ApplicationServer } from '../../../lib/ims/ifc/criterion.ts'
import { escapeXml } from '../../../lib/ims/xml.ts'
import { randomText } from '../../../lib/sip/branch.ts'
import type { SipRequest, SipResponse } from '../../../lib/sip/message.ts'

/** A phone's REGISTER and the 200 it got. */
export interface RegisterPair {
  readonly request: SipRequest
  readonly answer: SipResponse
}

/** A body with its Content-Type. */
interface Body {
  readonly type: string
  readonly text: string
}

/**
 * What a server is told with a third-party registration: its service information, the REGISTER, the 200 (TS 24.229
 * §5.4.1.7A). One part stands alone, several are a multipart/mixed (RFC 5621).
 *
 * @param pair absent where the network has ended the registration
 * @param both the two messages go along even if the criterion does not ask for them
 */
export function registerBody(
  server: ApplicationServer,
  pair: RegisterPair | undefined,
  both: boolean,
): Body | undefined {
  if (pair === undefined) return undefined
  const parts: Body[] = []
  if (server.serviceInfo !== undefined) {
    const info = latin1(escapeXml(server.serviceInfo))
    const text = `<ims-3gpp><service-info>${info}</service-info></ims-3gpp>`
    parts.push({ type: 'application/3gpp-ims+xml', text })
  }
  if (server.includeRequest || both) parts.push({ type: 'message/sip', text: pair.request.format() })
  if (server.includeResponse || both) parts.push({ type: 'message/sip', text: pair.answer.format() })
  return parts.length > 1 ? multipart(parts) : parts[0]
}

function multipart(parts: readonly Body[]): Body {
  const boundary = randomText(24)
  const text = parts
    .map(part => `--${boundary}\r\nContent-Type: ${part.type}\r\n\r\n${part.text}\r\n`)
    .join('')
  return { type: `multipart/mixed;boundary="${boundary}"`, text: `${text}--${boundary}--\r\n` }
}

/** Bodies are octets here, one a character. */
function latin1(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
