import { Node, type Element } from 'slimdom'

/** An element where it may stand: its namespace, how often, and what it holds. */
export interface ElementRule {
  readonly namespace: string
  readonly name: string
  readonly content: Content
  /** Unqualified attributes; absent: none. `open` admits others too. */
  readonly attributes?: Readonly<Record<string, AttributeRule>>
  readonly openAttributes?: boolean
  /** Ids inside need be unique only within this element. */
  readonly idScope?: boolean
  readonly required?: boolean
  readonly repeated?: boolean
}

export interface AttributeRule {
  readonly type: TextType
  readonly required?: boolean
  /** Unique within the nearest `idScope`. */
  readonly id?: boolean
}

/** What is wrong with a text, if anything. */
export type TextType = (text: string) => string | undefined

export type Content =
  | { readonly kind: 'empty' }
  | { readonly kind: 'any' }
  | { readonly kind: 'text'; readonly type: TextType }
  /** Children in this order. */
  | { readonly kind: 'sequence'; readonly of: readonly ElementRule[] }
  /** Children in any order and number; others are left unchecked if `others` admits their namespace. */
  | {
      readonly kind: 'choice'
      readonly of: readonly ElementRule[]
      readonly others?: (namespace: string | null, name: string) => boolean
      /** What comes after all others, if at all. */
      readonly last?: ElementRule
    }

/** Checks an element against its rule. @returns the first fault with the path to it, or undefined. */
export function checkElement(element: Element, rule: ElementRule): string | undefined {
  return check(element, rule, `/${rule.name}`, new Set())
}

function check(element: Element, rule: ElementRule, path: string, ids: Set<string>): string | undefined {
  if (!fits(element, rule)) return `${path}: ${nameOf(element)} instead of ${ruleName(rule)}`
  return (
    checkAttributes(element, rule, path, ids) ??
    checkContent(element, rule.content, path, rule.idScope === true ? new Set() : ids)
  )
}

function checkAttributes(
  element: Element,
  rule: ElementRule,
  path: string,
  ids: Set<string>,
): string | undefined {
  const { attributes = {} } = rule
  for (const { namespaceURI, localName, value } of element.attributes) {
    // Declarations, schema hints and xml:lang are not part of what is checked.
    if (namespaceURI !== null) continue
    const known = Object.hasOwn(attributes, localName) ? attributes[localName] : undefined
    if (known === undefined) {
      if (rule.openAttributes !== true) return `${path}: attribute ${localName} is not known`
      continue
    }
    const fault = known.type(value)
    if (fault !== undefined) return `${path}: attribute ${localName} "${value}" ${fault}`
    if (known.id !== true) continue
    if (ids.has(value)) return `${path}: attribute ${localName} "${value}" is used twice`
    ids.add(value)
  }
  for (const [name, { required }] of Object.entries(attributes)) {
    if (required === true && element.getAttribute(name) === null)
      return `${path}: attribute ${name} is missing`
  }
  return undefined
}

function checkContent(
  element: Element,
  content: Content,
  path: string,
  ids: Set<string>,
): string | undefined {
  switch (content.kind) {
    case 'any':
      return undefined
    case 'text': {
      const child = element.firstElementChild
      if (child !== null) return `${path}: ${nameOf(child)} where text is expected`
      const text = (element.textContent ?? '').trim()
      const fault = content.type(text)
      return fault === undefined ? undefined : `${path}: "${text}" ${fault}`
    }
    case 'empty':
      return strayText(element, path) ?? unexpected(element.firstElementChild, path)
    case 'sequence':
      return strayText(element, path) ?? checkSequence(element, content.of, path, ids)
    case 'choice':
      return strayText(element, path) ?? checkChoice(element, content, path, ids)
  }
}

function checkSequence(
  element: Element,
  rules: readonly ElementRule[],
  path: string,
  ids: Set<string>,
): string | undefined {
  let at = element.firstElementChild
  for (const rule of rules) {
    let count = 0
    while (at !== null && fits(at, rule) && (count === 0 || rule.repeated === true)) {
      const fault = check(at, rule, `${path}/${rule.name}`, ids)
      if (fault !== undefined) return fault
      at = at.nextElementSibling
      count++
    }
    if (count === 0 && rule.required === true)
      return `${path}: ${ruleName(rule)} is missing${at === null ? '' : ` before ${nameOf(at)}`}`
  }
  return unexpected(at, path)
}

function checkChoice(
  element: Element,
  content: Content & { kind: 'choice' },
  path: string,
  ids: Set<string>,
): string | undefined {
  for (const child of element.children) {
    if (content.last !== undefined && fits(child, content.last)) {
      return (
        unexpected(child.nextElementSibling, path) ??
        check(child, content.last, `${path}/${child.localName}`, ids)
      )
    }
    const rule = content.of.find(candidate => fits(child, candidate))
    if (rule === undefined) {
      if (content.others?.(child.namespaceURI, child.localName) !== true) return unexpected(child, path)
      continue
    }
    const fault = check(child, rule, `${path}/${rule.name}`, ids)
    if (fault !== undefined) return fault
  }
  return undefined
}

function strayText(element: Element, path: string): string | undefined {
  for (const child of element.childNodes) {
    const isText = child.nodeType === Node.TEXT_NODE || child.nodeType === Node.CDATA_SECTION_NODE
    if (isText && (child.nodeValue ?? '').trim() !== '') return `${path}: text is not expected here`
  }
  return undefined
}

function unexpected(element: Element | null, path: string): string | undefined {
  return element === null ? undefined : `${path}: ${nameOf(element)} is not expected here`
}

function fits(element: Element, rule: ElementRule): boolean {
  return element.localName === rule.name && element.namespaceURI === rule.namespace
}

/** As `{namespace}name`, since a prefix may mean anything. */
function nameOf(element: Element): string {
  return `{${element.namespaceURI ?? ''}}${element.localName}`
}

function ruleName(rule: ElementRule): string {
  return `{${rule.namespace}}${rule.name}`
}
