import { classifyUri, type UriContext } from '../../lib/ims/identity.ts'
import type { Uri } from '../../lib/sip/uri.ts'

const SEPARATORS = /[-().,\s]/g

/** The telephone number a URI stands for, without separators; undefined if it is not a number. */
export function numberOf(uri: Uri, context: UriContext): string | undefined {
  const kind = classifyUri(uri, context)
  if (kind !== 'global-number' && kind !== 'local-number' && kind !== 'np-data' && kind !== 'final-np-data') {
    return undefined
  }
  if (uri.kind === 'tel') return uri.number.replace(SEPARATORS, '')
  const user = uri.kind === 'sip' ? uri.user : undefined
  return user?.split(';', 1)[0]?.replace(SEPARATORS, '')
}
