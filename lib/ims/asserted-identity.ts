import { H } from '../sip/header-names.ts'
import type { HeaderEdit, Headers } from '../sip/headers.ts'
import type { ServiceProfile } from './subscription.ts'

/**
 * Adds the other form of a single asserted identity, so that the far side may know the user by name and by number
 * (TS 24.229 §5.4.3.2 step 5): a tel alias of the profile beside a SIP URI, a SIP URI at home beside a tel URI.
 */
export function withSecondIdentity(
  edit: HeaderEdit,
  headers: Headers,
  profile: ServiceProfile,
  homeDomain: string,
): void {
  const asserted = headers.lines(H['P-Asserted-Identity'])
  const [only] = asserted
  if (only === undefined || asserted.length > 1 || only.includes(',')) return
  const tel = /<?tel:([^;>]+)/i.exec(only)
  if (tel !== null) {
    edit.append(H['P-Asserted-Identity'], `<sip:${tel[1] ?? ''}@${homeDomain};user=phone>`)
    return
  }
  const aliases = profile.identities.filter(identity => identity.impu.startsWith('tel:') && !identity.barred)
  const same = aliases.find(identity => only.includes(`:${identity.impu.slice(4)}@`))
  const alias = same ?? aliases[0]
  if (alias !== undefined) edit.append(H['P-Asserted-Identity'], `<${alias.impu}>`)
}
