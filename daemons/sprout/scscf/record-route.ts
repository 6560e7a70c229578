import { H } from '../../../lib/sip/header-names.ts'
import type { HeaderEdit } from '../../../lib/sip/headers.ts'
import type { SipRequest } from '../../../lib/sip/message.ts'
import { startsDialog, type Core } from '../core.ts'

export type BillingRole = 'charge-orig' | 'charge-term' | 'charge-none'

/** Stays in the dialog, as the cluster: any sprout may serve what follows (sip.md §6.9). */
export function recordRoute(edit: HeaderEdit, request: SipRequest, role: BillingRole, core: Core): void {
  if (!startsDialog(request)) return
  const { sproutHostname } = core.options
  edit.prepend(H['Record-Route'], `<sip:scscf.${sproutHostname};transport=TCP;lr;billing-role=${role}>`)
}

/** Whether the S-CSCF stays in sight where it hands a request to the I-CSCF's side, beside the phones' side. */
export function recordsInner(core: Core): boolean {
  return core.options.recordRouteLevel !== 'pcscf'
}

/** Whether it does so at every application server. */
export function recordsServers(core: Core): boolean {
  return core.options.recordRouteLevel === 'pcscf,icscf,as'
}
