import { LRUCache } from 'lru-cache'
import type { Element } from 'slimdom'
import { parseUri } from '../sip/uri.ts'
import { impuOf, type Impu } from './identity.ts'
import type { ImsSubscription, PublicIdentity, ServiceProfile } from './subscription.ts'
import {
  childNamed,
  childrenNamed,
  escapeXml,
  formatPlain,
  parseXml,
  textOf,
  type XmlFailure,
} from './xml.ts'

export type SubscriptionResult = { readonly ok: true; readonly subscription: ImsSubscription } | XmlFailure

/** The same document is read for each registration and call of a user, and shared by all identities of a set. */
const parsed = new LRUCache<string, SubscriptionResult & { ok: true }>({ max: 8000 })

/** The document a subscription was read from, for those who hand it on. */
const sources = new WeakMap<ImsSubscription, string>()

/**
 * Reads an IMSSubscription document (TS 29.228 Annex E).
 *
 * Namespaces are ignored, as are elements we do not know; values may be CDATA. A document that is not well-formed,
 * has another root or names no identity is a failure.
 */
export function parseImsSubscription(xml: string): SubscriptionResult {
  const known = parsed.get(xml)
  if (known !== undefined) return known
  const plain = parsePlainSubscription(xml)
  const result = plain === undefined ? parseDocument(xml) : ({ ok: true, subscription: plain } as const)
  if (!result.ok) return result
  sources.set(result.subscription, xml)
  parsed.set(xml, result)
  return result
}

function parseDocument(xml: string): SubscriptionResult {
  const document = parseXml(xml)
  return document.ok ? subscriptionOf(document.root) : document
}

/**
 * The shape that homestead-prov gives most subscribers: one profile, identities without further elements, criteria.
 * Its texts are plain ASCII without escapes.
 */
const PLAIN =
  /^<IMSSubscription(?: xmlns:xsi="http:\/\/www\.w3\.org\/2001\/XMLSchema-instance" xsi:noNamespaceSchemaLocation="CxDataType\.xsd")?><PrivateID>([!-%'-;=?-~]*)<\/PrivateID><ServiceProfile>((?:<PublicIdentity><Identity>[!-%'-;=?-~]+<\/Identity><\/PublicIdentity>)+)((?:<InitialFilterCriteria[ >/].*)?)<\/ServiceProfile><\/IMSSubscription>$/s

/** The criteria of thousands of subscribers are the same text. */
const sharedCriteria = new LRUCache<string, { readonly criteria: readonly string[] | undefined }>({
  max: 200,
})

/** Reads a document of the plain shape several times as fast; undefined if it is of any other. */
function parsePlainSubscription(xml: string): ImsSubscription | undefined {
  const match = PLAIN.exec(xml)
  if (match === null) return undefined
  const [, privateId = '', identities = '', criteria = ''] = match
  const filterCriteria = criteria === '' ? [] : plainCriteria(criteria)
  if (filterCriteria === undefined) return undefined
  const texts = identities.split(/<\/?PublicIdentity>|<\/?Identity>/).filter(text => text !== '')
  const profile = {
    identities: texts.map(text => ({ impu: impuFromText(text), barred: false })),
    filterCriteria,
  }
  return { privateId, profiles: [profile] }
}

function plainCriteria(text: string): readonly string[] | undefined {
  const known = sharedCriteria.get(text)
  if (known !== undefined) return known.criteria
  const document = parseXml(`<ServiceProfile>${text}</ServiceProfile>`)
  const profile = document.ok ? profileOf(document.root) : undefined
  const isPlain =
    profile?.identities.length === 0 && profile.sharedSets === undefined && profile.services === undefined
  const criteria = isPlain ? profile.filterCriteria : undefined
  sharedCriteria.set(text, { criteria })
  return criteria
}

/** Reads a subscription from an element that has been parsed, as part of another document. */
export function subscriptionOf(root: Element): SubscriptionResult {
  if (root.localName !== 'IMSSubscription')
    return { ok: false, message: `root element ${root.localName} instead of IMSSubscription` }
  const privateId = childNamed(root, 'PrivateID')
  const profiles = childrenNamed(root, 'ServiceProfile').map(profileOf)
  if (!profiles.some(profile => profile.identities.length > 0))
    return { ok: false, message: 'no PublicIdentity with an Identity' }
  return {
    ok: true,
    subscription: { privateId: privateId === undefined ? '' : textOf(privateId), profiles },
  }
}

/** The document of a subscription, without namespaces: as it was read, unknown elements included, or made anew. */
export function formatImsSubscription(subscription: ImsSubscription): string {
  const source = sources.get(subscription)
  const document = source === undefined ? undefined : parseXml(source)
  if (document?.ok === true) return formatPlain(document.root)
  const profiles = subscription.profiles.map(formatProfile).join('')
  const privateId = `<PrivateID>${escapeXml(subscription.privateId)}</PrivateID>`
  return `<IMSSubscription>${privateId}${profiles}</IMSSubscription>`
}

/** All identities of the set in document order; the first is the default one (TS 24.229 §5.4.1.2.2). */
export function identitiesOf(subscription: ImsSubscription): Impu[] {
  return subscription.profiles.flatMap(profile => profile.identities.map(identity => identity.impu))
}

/** An identity as provisioned, in canonical form; what is no URI (a wildcard may not be) stays as it is written. */
export function impuFromText(text: string): Impu {
  const uri = parseUri(text)
  return (uri && impuOf(uri)) ?? (text as Impu)
}

function profileOf(element: Element): ServiceProfile {
  const sharedSets = sharedSetsOf(element)
  const services = servicesOf(element)
  return {
    identities: childrenNamed(element, 'PublicIdentity').flatMap(child => identityOf(child) ?? []),
    filterCriteria: childrenNamed(element, 'InitialFilterCriteria').map(formatPlain),
    ...(sharedSets.length === 0 ? {} : { sharedSets }),
    ...(services === undefined ? {} : { services }),
  }
}

function sharedSetsOf(profile: Element): number[] {
  const extension = childNamed(profile, 'Extension')
  if (extension === undefined) return []
  return childrenNamed(extension, 'SharedIFCSetID')
    .map(textOf)
    .filter(text => /^\d{1,10}$/.test(text))
    .map(Number)
}

/** TS 29.228 Annex E: CoreNetworkServicesAuthorization, its extension, ListOfServiceIds. */
function servicesOf(profile: Element): string[] | undefined {
  const authorization = childNamed(profile, 'CoreNetworkServicesAuthorization')
  const extension = authorization && childNamed(authorization, 'Extension')
  const list = extension && childNamed(extension, 'ListOfServiceIds')
  return list && childrenNamed(list, 'ServiceId').map(textOf)
}

function identityOf(element: Element): PublicIdentity | undefined {
  const identity = childNamed(element, 'Identity')
  if (identity === undefined || textOf(identity) === '') return undefined
  const wildcard = wildcardOf(element, textOf(identity))
  return {
    impu: impuFromText(textOf(identity)),
    barred: isTrue(childNamed(element, 'BarringIndication')),
    ...(wildcard === undefined ? {} : { wildcard }),
  }
}

/**
 * TS 29.228 §E: Extension/IdentityType 2 is a wildcarded PSI, 3 (or none, with the element) a wildcarded IMPU. Where only
 * the type is given the identity itself is the wildcard.
 */
function wildcardOf(element: Element, identity: string): string | undefined {
  let type = ''
  for (let at = childNamed(element, 'Extension'); at !== undefined; at = childNamed(at, 'Extension')) {
    const wildcard = childNamed(at, 'WildcardedPSI') ?? childNamed(at, 'WildcardedIMPU')
    if (wildcard !== undefined) return textOf(wildcard)
    const named = childNamed(at, 'IdentityType')
    if (named !== undefined) type = textOf(named)
  }
  return (type === '2' || type === '3') && /!.*!/.test(identity) ? identity : undefined
}

function formatProfile(profile: ServiceProfile): string {
  const identities = profile.identities.map(formatIdentity).join('')
  const shared = (profile.sharedSets ?? []).map(id => `<SharedIFCSetID>${id}</SharedIFCSetID>`).join('')
  const extension = shared === '' ? '' : `<Extension>${shared}</Extension>`
  const services = profile.services === undefined ? '' : formatServices(profile.services)
  return `<ServiceProfile>${identities}${services}${profile.filterCriteria.join('')}${extension}</ServiceProfile>`
}

function formatServices(services: readonly string[]): string {
  const ids = services.map(id => `<ServiceId>${escapeXml(id)}</ServiceId>`).join('')
  const list = `<Extension><ListOfServiceIds>${ids}</ListOfServiceIds></Extension>`
  return `<CoreNetworkServicesAuthorization>${list}</CoreNetworkServicesAuthorization>`
}

function formatIdentity(identity: PublicIdentity): string {
  const barring = identity.barred ? '<BarringIndication>1</BarringIndication>' : ''
  const wildcard =
    identity.wildcard === undefined
      ? ''
      : `<Extension><IdentityType>3</IdentityType><Extension><Extension><WildcardedIMPU>${escapeXml(
          identity.wildcard,
        )}</WildcardedIMPU></Extension></Extension></Extension>`
  const parts = `<Identity>${escapeXml(identity.impu)}</Identity>${wildcard}`
  return `<PublicIdentity>${barring}${parts}</PublicIdentity>`
}

function isTrue(element: Element | undefined): boolean {
  const text = element === undefined ? '' : textOf(element)
  return text === '1' || text === 'true'
}
