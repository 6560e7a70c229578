import { formatUri, parseUri } from '../sip/uri.ts'
import { isNumberUser } from './identity.ts'

/**
 * The URI of what somebody has written as the target of his calls: a SIP or tel URI, or digits, which are a number at
 * home.
 *
 * @returns undefined if it is no address that a call can go to
 */
export function diversionTarget(text: string, homeDomain: string): string | undefined {
  const written = text.trim()
  if (isNumberUser(written)) return `sip:${written}@${homeDomain}`
  const uri = parseUri(written)
  if (uri?.kind === 'tel') return formatUri(uri)
  // What stands behind a question mark would become headers of the request (RFC 3261 §19.1.5).
  return uri?.kind === 'sip' ? formatUri({ ...uri, headers: '' }) : undefined
}
