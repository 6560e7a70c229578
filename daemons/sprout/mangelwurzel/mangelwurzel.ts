import { H, type HeaderId } from '../../../lib/sip/header-names.ts'
import type { HeaderEdit } from '../../../lib/sip/headers.ts'
import { hopsLeft } from '../../../lib/sip/hop.ts'
import type { SipRequest, SipResponse } from '../../../lib/sip/message.ts'
import { formatNameAddr, parseNameAddr } from '../../../lib/sip/name-addr.ts'
import { withParam } from '../../../lib/sip/params.ts'
import { sipUriOf } from '../../../lib/sip/routing.ts'
import { formatUri, withoutUriParam, withUriParam, type SipUri } from '../../../lib/sip/uri.ts'
import type { Invocation } from '../as/invocation.ts'
import { startsDialog } from '../core.ts'
import {
  formatMangling,
  mangleAddress,
  mangleRoute,
  mangleUri,
  mangleWord,
  manglingOf,
  parseMangling,
  type Mangling,
} from './mangling.ts'

/**
 * The Mangelwurzel server (sip.md §7.7): a back-to-back user agent for tests, which changes calls as the parameters of
 * its URI say. It stays in the dialog and undoes there what it did.
 */
export function mangelwurzel(invocation: Invocation): Promise<void> | void {
  const { request, uri, dialogId } = invocation
  if (request.method === 'REGISTER') return invocation.answer(200)
  if (!request.isInitial) {
    const dialog = dialogId === undefined ? undefined : parseDialog(dialogId)
    return dialog === undefined ? invocation.pass() : relay(invocation, dialog, invocation.request)
  }
  if (uri === undefined) return invocation.pass()
  const dialog = { mangling: manglingOf(uri), callerTag: request.fromTag ?? '' }
  const staying = startsDialog(request) ? invocation.inDialog(request, formatDialog(dialog)) : request
  return relay(invocation, dialog, staying)
}

/** How a call is mangled, and who has begun it: the callee's requests are to be changed the other way round. */
interface MangledDialog {
  readonly mangling: Mangling
  /** As the caller himself writes it. */
  readonly callerTag: string
}

function formatDialog({ mangling, callerTag }: MangledDialog): string {
  return `${formatMangling(mangling)}_${Buffer.from(callerTag, 'latin1').toString('base64url')}`
}

function parseDialog(text: string): MangledDialog | undefined {
  const [, word = '', tag = ''] = /^([a-z\d.-]{1,100})_([\w-]{0,700})$/.exec(text) ?? []
  const mangling = parseMangling(word)
  return mangling && { mangling, callerTag: Buffer.from(tag, 'base64url').toString('latin1') }
}

async function relay(invocation: Invocation, dialog: MangledDialog, staying: SipRequest): Promise<void> {
  const { request, exchange } = invocation
  const outgoing = mangledRequest(staying, dialog, invocation)
  if (request.method === 'ACK') return invocation.pass(outgoing)
  const onResponse = (response: SipResponse): SipResponse =>
    restoredResponse(response, exchange.request, dialog.mangling, invocation)
  const { response } = await invocation.forward([outgoing], { onResponse })
  if (response.status >= 300) exchange.respond(response)
}

function mangledRequest(request: SipRequest, dialog: MangledDialog, invocation: Invocation): SipRequest {
  const { mangling, callerTag } = dialog
  const { flags } = mangling
  const { headers } = request
  const edit = headers.edit()
  // A call of its own, but no way to go round for ever.
  edit.remove(H.Via).set(H['Max-Forwards'], String(Math.max(0, hopsLeft(request))))
  if (flags.has('dialog')) {
    edit.set(H['Call-ID'], mangleWord(request.callId, mangling.algorithm))
    for (const id of [H.From, H.To]) replaceTag(edit, id, request, mangling)
  }
  if (flags.has('to')) {
    // What the caller calls To is From in the callee's requests.
    const isCaller = request.isInitial || request.fromTag === callerTag
    replaceAddress(edit, isCaller ? H.To : H.From, mangling)
  }
  if (flags.has('req-uri')) replaceContacts(edit, headers.list(H.Contact), mangling)
  if (flags.has('routes')) {
    replaceRoutes(edit, H['Record-Route'], mangling, invocation)
    if (!request.isInitial) replaceRoutes(edit, H.Route, mangling, invocation)
  }
  if (request.isInitial) changeScscfRoute(edit, mangling)
  const target = request.parsedUri
  const uri =
    flags.has('req-uri') && target !== undefined ? formatUri(mangleUri(target, mangling)) : request.uri
  const changed = edit.done()
  return request.outside(changed).with(changed, uri)
}

/** An answer as the sender of the request expects it: in the dialog that he knows. */
function restoredResponse(
  response: SipResponse,
  received: SipRequest,
  mangling: Mangling,
  invocation: Invocation,
): SipResponse {
  const { flags } = mangling
  const { headers } = response
  const edit = headers.edit().remove(H.Via).prependAll(H.Via, received.headers.lines(H.Via))
  for (const id of [H['Call-ID'], H.From]) edit.set(id, received.headers.get(id) ?? '')
  const to = received.headers.get(H.To) ?? ''
  const { toTag } = response
  const tag = toTag === undefined || !flags.has('dialog') ? toTag : mangleWord(toTag, mangling.algorithm)
  edit.set(H.To, tag === undefined || received.toTag !== undefined ? to : `${to};tag=${tag}`)
  if (flags.has('req-uri')) replaceContacts(edit, headers.list(H.Contact), mangling)
  if (flags.has('routes')) replaceRoutes(edit, H['Record-Route'], mangling, invocation)
  return response.with(edit.done())
}

function replaceTag(edit: HeaderEdit, id: HeaderId, request: SipRequest, { algorithm }: Mangling): void {
  const address = id === H.From ? request.from : request.to
  const tag = id === H.From ? request.fromTag : request.toTag
  if (address === undefined || tag === undefined) return
  const params = withParam(address.params, 'tag', mangleWord(tag, algorithm))
  edit.set(id, formatNameAddr({ ...address, params }))
}

function replaceAddress(edit: HeaderEdit, id: HeaderId, mangling: Mangling): void {
  const value = edit.done().get(id)
  if (value !== undefined) edit.set(id, mangleAddress(value, mangling))
}

function replaceContacts(edit: HeaderEdit, contacts: readonly string[], mangling: Mangling): void {
  if (contacts.length === 0 || contacts[0] === '*') return
  edit.set(H.Contact, contacts.map(contact => mangleAddress(contact, mangling)).join(', '))
}

/** All but those of this server itself. */
function replaceRoutes(edit: HeaderEdit, id: HeaderId, mangling: Mangling, invocation: Invocation): void {
  const routes = edit.done().list(id)
  if (routes.length === 0) return
  const own = `${invocation.name}.${invocation.core.options.sproutHostname}`
  const changed = routes.map(route => (sipUriOf(route)?.host === own ? route : mangleRoute(route, mangling)))
  edit.set(id, changed.join(', '))
}

/** The Route back to the S-CSCF: whether it takes the call for one of the caller, and for one that it has sent here. */
function changeScscfRoute(edit: HeaderEdit, { flags }: Mangling): void {
  const route = edit.done().top(H.Route)
  const address = route === undefined ? undefined : parseNameAddr(route)
  const uri = route === undefined ? undefined : sipUriOf(route)
  if (address === undefined || uri === undefined) return
  const known: SipUri = flags.has('ootb') ? { ...uri, user: undefined, password: undefined } : uri
  const changed = flags.has('orig') ? withUriParam(known, 'orig') : withoutUriParam(known, 'orig')
  edit.replaceTop(H.Route, formatNameAddr({ ...address, uri: formatUri(changed) }))
}
