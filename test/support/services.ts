import { DOMAIN } from './core.ts'

const NAMESPACES =
  'xmlns="http://uri.etsi.org/ngn/params/xml/simservs/xcap" xmlns:cp="urn:ietf:params:xml:ns:common-policy"'

/** A simservs document with these services. */
export function simservs(services: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<simservs ${NAMESPACES}>${services}</simservs>`
}

/** A ruleset of one rule for each pair of conditions and actions. */
export function ruleset(...rules: readonly (readonly [conditions: string, actions: string])[]): string {
  const each = rules.map(
    ([conditions, actions], i) =>
      `<cp:rule id="r${i}"><cp:conditions>${conditions}</cp:conditions><cp:actions>${actions}</cp:actions></cp:rule>`,
  )
  return `<cp:ruleset>${each.join('')}</cp:ruleset>`
}

/** Stores a user's document at homer, as any XCAP client does. */
export async function storeServices(homerPort: number, user: string, document: string): Promise<void> {
  const impu = encodeURIComponent(`sip:${user}@${DOMAIN}`)
  const response = await fetch(
    `http://127.0.0.1:${homerPort}/org.etsi.ngn.simservs/users/${impu}/simservs.xml`,
    { method: 'PUT', body: document },
  )
  if (!response.ok) throw new Error(`homer refused it: ${await response.text()}`)
}
