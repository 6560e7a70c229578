import { LRUCache } from 'lru-cache'
import type { Element } from 'slimdom'
import { childNamed, childrenNamed, parseXml, textOf } from './xml.ts'

/** What a user has set up for calls (simservs, TS 24.623), as far as the MMTel server acts upon it. */
export interface Simservs {
  /** OIR (TS 24.607): whether callers' identities are kept from callees unless they say otherwise; absent if it is off. */
  readonly restriction: { readonly byDefault: boolean } | undefined
  /** Communication diversion (TS 24.604); absent if it is off. */
  readonly diversion:
    { readonly noReplySeconds: number; readonly rules: readonly DiversionRule[] } | undefined
  /** Communication barring (TS 24.611), in and out; no rules if it is off. */
  readonly incomingBarring: readonly BarringRule[]
  readonly outgoingBarring: readonly BarringRule[]
}

/** A rule counts while all of its conditions hold. */
export interface Rule {
  readonly conditions: readonly Condition[]
}

export interface DiversionRule extends Rule {
  /** As it was written: a URI, or digits. */
  readonly target: string
}

export interface BarringRule extends Rule {
  readonly allow: boolean
}

/** What can be set up to hold or not. What is none of these does not count (sip.md §7.2). */
export type Condition =
  | { readonly kind: (typeof FLAGS)[number] }
  | { readonly kind: 'media'; readonly media: string }
  | { readonly kind: 'identity'; readonly identities: readonly Identities[] }

/** Who is meant: one, or many, of a domain or all, but for those excepted (RFC 4745 §7.1). */
export type Identities =
  { readonly one: string } | { readonly domain: string | undefined; readonly except: readonly Excepted[] }

type Excepted = { readonly one: string } | { readonly domain: string }

const FLAGS = [
  'busy',
  'not-registered',
  'no-answer',
  'not-reachable',
  'roaming',
  'international',
  'international-exHC',
  'anonymous',
  'communication-diverted',
  'rule-deactivated',
] as const

/** The timer where nothing else is set up (TS 24.604 as sip.md §7.4 has it). */
const NO_REPLY_SECONDS = 20
const LONGEST_NO_REPLY_SECONDS = 180
/** Characters of documents that are kept with what they mean. */
const KEPT = 16_000_000

/** Nothing is set up. */
export const NO_SERVICES: Simservs = {
  restriction: undefined,
  diversion: undefined,
  incomingBarring: [],
  outgoingBarring: [],
}

const known = new LRUCache<string, { readonly simservs: Simservs | undefined }>({
  maxSize: KEPT,
  sizeCalculation: (_, document) => document.length + 1,
})

/**
 * Reads a simservs document; undefined if it is none. Each is read once, however many users have the same.
 *
 * Namespaces do not matter, and what is not known is passed over: homer is who is strict.
 */
export function parseSimservs(document: string): Simservs | undefined {
  let found = known.get(document)
  if (found === undefined) {
    const parsed = parseXml(document)
    found = {
      simservs: parsed.ok && parsed.root.localName === 'simservs' ? simservsOf(parsed.root) : undefined,
    }
    known.set(document, found)
  }
  return found.simservs
}

function simservsOf(root: Element): Simservs {
  const restriction = activeService(root, 'originating-identity-presentation-restriction')
  const diversion = activeService(root, 'communication-diversion')
  return {
    restriction: restriction && {
      byDefault: textIn(restriction, 'default-behaviour') !== 'presentation-not-restricted',
    },
    diversion: diversion && {
      noReplySeconds: noReplySeconds(textIn(diversion, 'NoReplyTimer')),
      rules: rulesOf(diversion).flatMap(diversionRule),
    },
    incomingBarring: barringRules(activeService(root, 'incoming-communication-barring')),
    outgoingBarring: barringRules(activeService(root, 'outgoing-communication-barring')),
  }
}

/** A service that is there and not switched off: any text but `true` does. */
function activeService(root: Element, name: string): Element | undefined {
  const service = childNamed(root, name)
  return service !== undefined && (service.getAttribute('active') ?? 'true').trim() === 'true'
    ? service
    : undefined
}

function noReplySeconds(text: string): number {
  const given = Number(text)
  return given >= 1 && given <= LONGEST_NO_REPLY_SECONDS ? given : NO_REPLY_SECONDS
}

function rulesOf(service: Element): readonly Element[] {
  const ruleset = childNamed(service, 'ruleset')
  return ruleset === undefined ? [] : childrenNamed(ruleset, 'rule')
}

/** A rule without a target does nothing. */
function diversionRule(rule: Element): readonly DiversionRule[] {
  const actions = childNamed(rule, 'actions')
  const forward = actions && childNamed(actions, 'forward-to')
  const target = forward === undefined ? '' : textIn(forward, 'target')
  return target === '' ? [] : [{ conditions: conditionsOf(rule), target }]
}

function barringRules(service: Element | undefined): readonly BarringRule[] {
  if (service === undefined) return []
  return rulesOf(service).map(rule => {
    const actions = childNamed(rule, 'actions')
    return {
      conditions: conditionsOf(rule),
      allow: actions !== undefined && textIn(actions, 'allow') === 'true',
    }
  })
}

function conditionsOf(rule: Element): readonly Condition[] {
  const conditions = childNamed(rule, 'conditions')
  return conditions === undefined ? [] : conditions.children.flatMap(conditionOf)
}

function conditionOf(element: Element): readonly Condition[] {
  const { localName } = element
  if (localName === 'media') return [{ kind: 'media', media: textOf(element).toLowerCase() }]
  if (localName === 'identity')
    return [{ kind: 'identity', identities: element.children.flatMap(identities) }]
  const flag = FLAGS.find(name => name === localName)
  return flag === undefined ? [] : [{ kind: flag }]
}

function identities(element: Element): readonly Identities[] {
  const id = element.getAttribute('id')
  if (element.localName === 'one') return id === null ? [] : [{ one: id.trim() }]
  if (element.localName !== 'many') return []
  const except = childrenNamed(element, 'except').flatMap((each): Excepted[] => {
    const [one, domain] = [each.getAttribute('id'), each.getAttribute('domain')]
    if (one !== null) return [{ one: one.trim() }]
    return domain === null ? [] : [{ domain: domain.trim().toLowerCase() }]
  })
  return [{ domain: element.getAttribute('domain')?.trim().toLowerCase(), except }]
}

function textIn(parent: Element, name: string): string {
  const child = childNamed(parent, name)
  return child === undefined ? '' : textOf(child)
}
