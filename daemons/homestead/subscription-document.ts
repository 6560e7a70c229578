import { LRUCache } from 'lru-cache'
import { escapeXml, formatPlain, parseXml } from '../../lib/ims/xml.ts'

export interface ProfileParts {
  /** `PublicIdentity` elements. */
  readonly identities: readonly string[]
  /** The `ServiceProfile` document with the filter criteria, if one was stored. */
  readonly filterCriteria: string | undefined
}

const HEAD =
  '<IMSSubscription xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ' +
  'xsi:noNamespaceSchemaLocation="CxDataType.xsd"><PrivateID>Unspecified</PrivateID>'

/** Many subscribers have the same criteria: what is put into their documents is made once. */
const contents = new LRUCache<string, string>({ max: 100 })

/** The IMSSubscription document that provisioning pushes into the cache (interfaces.md §2.8). */
export function subscriptionDocument(profiles: readonly ProfileParts[]): string {
  const elements = profiles.map(({ identities, filterCriteria }) => {
    const criteria = filterCriteria === undefined ? '<InitialFilterCriteria/>' : contentOf(filterCriteria)
    return `<ServiceProfile>${identities.join('')}${criteria}</ServiceProfile>`
  })
  return `${HEAD}${elements.join('')}</IMSSubscription>`
}

/** What ellis and the bulk tools store for a new subscriber: INVITEs go to the MMTel server of the domain (§16.4). */
export function defaultFilterCriteria(domain: string): string {
  return (
    '<?xml version="1.0" encoding="UTF-8"?><ServiceProfile><InitialFilterCriteria><TriggerPoint>' +
    '<ConditionTypeCNF>0</ConditionTypeCNF><SPT><ConditionNegated>0</ConditionNegated><Group>0</Group>' +
    '<Method>INVITE</Method><Extension></Extension></SPT></TriggerPoint><ApplicationServer>' +
    `<ServerName>sip:mmtel.${escapeXml(domain)}</ServerName><DefaultHandling>0</DefaultHandling>` +
    '</ApplicationServer></InitialFilterCriteria></ServiceProfile>'
  )
}

/** The children of a stored `ServiceProfile`; identities in it are not ours to believe. */
function contentOf(filterCriteria: string): string {
  const known = contents.get(filterCriteria)
  if (known !== undefined) return known
  const document = parseXml(filterCriteria)
  const children = document.ok ? document.root.children : []
  const content = children
    .filter(child => child.localName !== 'PublicIdentity')
    .map(formatPlain)
    .join('')
  contents.set(filterCriteria, content)
  return content
}
