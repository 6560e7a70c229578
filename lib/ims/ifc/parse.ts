import type { Element } from 'slimdom'
import { childNamed, childrenNamed, parseXml, textOf, type XmlFailure } from '../xml.ts'
import {
  REGISTRATION_TYPES,
  SESSION_CASES,
  type ApplicationServer,
  type Condition,
  type FilterCriterion,
  type Trigger,
  type TriggerPoint,
} from './criterion.ts'
import { compilePattern, type Pattern } from './pattern.ts'

export type CriterionResult = { readonly ok: true; readonly criterion: FilterCriterion } | XmlFailure

/** More than any real criterion has; each of them is tried on every request. */
const MOST_CONDITIONS = 200

/** Why a part of a criterion makes the whole of it useless. */
class Unusable extends Error {}

/** Reads the text of one InitialFilterCriteria element (TS 29.228 Annex B and E). */
export function parseCriterion(xml: string): CriterionResult {
  const document = parseXml(xml)
  return document.ok ? criterionOf(document.root) : document
}

/** Reads an InitialFilterCriteria element; one with a part that cannot be read counts for nothing (interfaces.md §16.3). */
export function criterionOf(element: Element): CriterionResult {
  try {
    return {
      ok: true,
      criterion: {
        priority: priorityOf(element),
        profilePart: profilePartOf(element),
        trigger: triggerOf(childNamed(element, 'TriggerPoint')),
        server: serverOf(element),
      },
    }
  } catch (error) {
    if (error instanceof Unusable) return { ok: false, message: error.message }
    throw error
  }
}

function priorityOf(element: Element): number {
  const text = optionalText(element, 'Priority')
  return text === undefined ? 0 : wholeNumber(text, 'Priority')
}

function profilePartOf(element: Element): FilterCriterion['profilePart'] {
  const text = optionalText(element, 'ProfilePartIndicator')
  if (text === undefined) return undefined
  if (text === '0') return 'registered'
  if (text === '1') return 'unregistered'
  throw new Unusable(`ProfilePartIndicator is ${text}, not 0 or 1`)
}

function serverOf(element: Element): ApplicationServer {
  const server = childNamed(element, 'ApplicationServer')
  const name = server === undefined ? undefined : optionalText(server, 'ServerName')
  if (server === undefined || name === undefined || name === '') throw new Unusable('there is no ServerName')
  const extension = childNamed(server, 'Extension')
  const asks = (what: string): boolean => extension !== undefined && childNamed(extension, what) !== undefined
  return {
    name,
    defaultHandling: optionalText(server, 'DefaultHandling') === '1' ? 'terminate' : 'continue',
    serviceInfo: optionalText(server, 'ServiceInfo'),
    includeRequest: asks('IncludeRegisterRequest'),
    includeResponse: asks('IncludeRegisterResponse'),
  }
}

function triggerOf(element: Element | undefined): Trigger | undefined {
  if (element === undefined) return undefined
  const form = optionalText(element, 'ConditionTypeCNF')
  if (form === undefined) throw new Unusable('a TriggerPoint has no ConditionTypeCNF')
  const points = childrenNamed(element, 'SPT')
  if (points.length > MOST_CONDITIONS) throw new Unusable(`more than ${MOST_CONDITIONS} conditions`)
  const groups = new Map<number, Condition[]>()
  for (const point of points) {
    const condition = { negated: isTrue(optionalText(point, 'ConditionNegated')), point: pointOf(point) }
    for (const named of childrenNamed(point, 'Group')) {
      const group = wholeNumber(textOf(named), 'Group')
      const conditions = groups.get(group)
      if (conditions === undefined) groups.set(group, [condition])
      else conditions.push(condition)
    }
  }
  return { form: isTrue(form) ? 'cnf' : 'dnf', groups: [...groups.values()] }
}

const BESIDE_THE_POINT = ['ConditionNegated', 'Group', 'Extension']

function pointOf(element: Element): TriggerPoint {
  const point = element.children.find(child => !BESIDE_THE_POINT.includes(child.localName))
  switch (point?.localName) {
    case 'Method':
      return { kind: 'method', method: textOf(point), registrationTypes: registrationTypesOf(element) }
    case 'SIPHeader':
      return {
        kind: 'header',
        name: pattern(point, 'Header', { ignoreCase: true }),
        content: optionalPattern(point, 'Content'),
      }
    case 'SessionCase':
      return { kind: 'session-case', sessionCase: SESSION_CASES[wholeNumber(textOf(point), 'SessionCase')] }
    case 'RequestURI':
      return { kind: 'request-uri', pattern: compiled(textOf(point)) }
    case 'SessionDescription':
      return { kind: 'sdp', line: pattern(point, 'Line'), content: optionalPattern(point, 'Content') }
    default:
      return { kind: 'unknown' }
  }
}

function registrationTypesOf(element: Element): (typeof REGISTRATION_TYPES)[number][] {
  const extension = childNamed(element, 'Extension')
  if (extension === undefined) return []
  return childrenNamed(extension, 'RegistrationType').map(child => {
    const type = REGISTRATION_TYPES[wholeNumber(textOf(child), 'RegistrationType')]
    if (type === undefined) throw new Unusable(`there is no RegistrationType ${textOf(child)}`)
    return type
  })
}

function pattern(parent: Element, name: string, options: { ignoreCase?: boolean } = {}): Pattern {
  const text = optionalText(parent, name)
  if (text === undefined) throw new Unusable(`a ${parent.localName} has no ${name}`)
  return compiled(text, options)
}

function optionalPattern(parent: Element, name: string): Pattern | undefined {
  const text = optionalText(parent, name)
  return text === undefined ? undefined : compiled(text)
}

function compiled(text: string, options: { ignoreCase?: boolean } = {}): Pattern {
  const result = compilePattern(text, options)
  if (result === undefined) throw new Unusable(`"${text.slice(0, 80)}" is no expression we can search for`)
  return result
}

function optionalText(parent: Element, name: string): string | undefined {
  const child = childNamed(parent, name)
  return child === undefined ? undefined : textOf(child)
}

function wholeNumber(text: string, what: string): number {
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Infinity
  if (number >= 2 ** 31) throw new Unusable(`${what} is "${text.slice(0, 20)}", not a whole number`)
  return number
}

function isTrue(text: string | undefined): boolean {
  return text === '1' || text === 'true'
}
