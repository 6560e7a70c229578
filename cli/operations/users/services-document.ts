import { serializeToWellFormedString, type Element } from 'slimdom'
import { childNamed, childrenNamed, parseXml } from '../../../lib/ims/xml.ts'

/** When calls go elsewhere: always, or when they meet this at the callee. */
export const DIVERSIONS = ['always', 'busy', 'not-registered', 'no-answer', 'not-reachable'] as const

export type DiversionName = (typeof DIVERSIONS)[number]

/** What is to be set up otherwise; what is absent stays as it is. */
export interface ServiceChanges {
  /** Where calls go; undefined as a value: they are not diverted for this. */
  readonly divert: ReadonlyMap<DiversionName, string | undefined>
  readonly noReplySeconds?: number
  readonly barOutgoing?: 'all' | 'international' | 'none'
  readonly barIncoming?: 'all' | 'anonymous' | 'none'
  /** `on-request`: only when a call asks for it. */
  readonly hideIdentity?: 'always' | 'on-request' | 'never'
}

const SIMSERVS = 'http://uri.etsi.org/ngn/params/xml/simservs/xcap'
const POLICY = 'urn:ietf:params:xml:ns:common-policy'
const EMPTY = `<simservs xmlns="${SIMSERVS}" xmlns:cp="${POLICY}"/>`
const XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

/**
 * A simservs document with changes to it; what they do not speak of stays as it was.
 *
 * Diversions go by rules of one condition or none. Barring has one rule, in place of all that were there: since any rule
 * that allows a call lets it pass, another one beside would undo it.
 *
 * @param document undefined: there was none
 * @returns undefined if the document cannot be read
 */
export function changedDocument(document: string | undefined, changes: ServiceChanges): string | undefined {
  const parsed = parseXml(document ?? EMPTY)
  if (!parsed.ok || parsed.root.localName !== 'simservs') return undefined
  const { root } = parsed
  if (changes.hideIdentity !== undefined) hideIdentity(root, changes.hideIdentity)
  if (changes.divert.size > 0 || changes.noReplySeconds !== undefined) divert(root, changes)
  if (changes.barOutgoing !== undefined) bar(root, 'outgoing-communication-barring', changes.barOutgoing)
  if (changes.barIncoming !== undefined) bar(root, 'incoming-communication-barring', changes.barIncoming)
  return XML_DECLARATION + serializeToWellFormedString(root)
}

function hideIdentity(root: Element, when: NonNullable<ServiceChanges['hideIdentity']>): void {
  const service = activeService(root, 'originating-identity-presentation-restriction')
  if (when === 'never') service.setAttribute('active', 'false')
  const behaviour = childNamed(service, 'default-behaviour') ?? append(service, SIMSERVS, 'default-behaviour')
  behaviour.textContent = when === 'always' ? 'presentation-restricted' : 'presentation-not-restricted'
}

function divert(root: Element, changes: ServiceChanges): void {
  const service = activeService(root, 'communication-diversion')
  if (changes.noReplySeconds !== undefined) {
    const timer = childNamed(service, 'NoReplyTimer') ?? prepend(service, SIMSERVS, 'NoReplyTimer')
    timer.textContent = String(changes.noReplySeconds)
  }
  const ruleset = rulesetOf(service)
  for (const [name, target] of changes.divert) {
    for (const rule of childrenNamed(ruleset, 'rule').filter(each => isAbout(each, name))) rule.remove()
    if (target === undefined) continue
    const actions = append(addRule(ruleset, name, name === 'always' ? [] : [name]), POLICY, 'cp:actions')
    append(append(actions, SIMSERVS, 'forward-to'), SIMSERVS, 'target').textContent = target
  }
}

function bar(root: Element, name: string, what: string): void {
  const ruleset = rulesetOf(activeService(root, name))
  ruleset.replaceChildren()
  const isConditional = what !== 'all' && what !== 'none'
  const rule = addRule(ruleset, what, isConditional ? [what] : [])
  const actions = append(rule, POLICY, 'cp:actions')
  append(actions, SIMSERVS, 'allow').textContent = String(what === 'none')
}

/** Whether a rule has this condition, and no other. */
function isAbout(rule: Element, name: DiversionName): boolean {
  const conditions = childNamed(rule, 'conditions')?.children ?? []
  if (name === 'always') return conditions.length === 0
  return conditions.length === 1 && conditions[0]?.localName === name
}

function addRule(ruleset: Element, name: string, conditions: readonly string[]): Element {
  const taken = new Set(childrenNamed(ruleset, 'rule').map(rule => rule.getAttribute('id')))
  let id = name
  for (let i = 2; taken.has(id); i++) id = `${name}-${i}`
  const rule = append(ruleset, POLICY, 'cp:rule')
  rule.setAttribute('id', id)
  const all = append(rule, POLICY, 'cp:conditions')
  for (const condition of conditions) append(all, SIMSERVS, condition)
  return rule
}

/** The service of a name, switched on; made before `extensions`, which come last. */
function activeService(root: Element, name: string): Element {
  let service = childNamed(root, name)
  if (service === undefined) {
    service = make(root, SIMSERVS, name)
    root.insertBefore(service, childNamed(root, 'extensions') ?? null)
  }
  service.setAttribute('active', 'true')
  return service
}

function rulesetOf(service: Element): Element {
  return childNamed(service, 'ruleset') ?? append(service, POLICY, 'cp:ruleset')
}

function append(parent: Element, namespace: string, name: string): Element {
  const child = make(parent, namespace, name)
  parent.appendChild(child)
  return child
}

function prepend(parent: Element, namespace: string, name: string): Element {
  const child = make(parent, namespace, name)
  parent.insertBefore(child, parent.firstChild)
  return child
}

function make(near: Element, namespace: string, name: string): Element {
  const document = near.ownerDocument
  if (document === null) throw new TypeError('an element of a parsed document has a document')
  return document.createElementNS(namespace, name)
}
