import type { Element } from 'slimdom'
import { childNamed, childrenNamed, parseXml, textOf, type XmlFailure } from '../xml.ts'
import type { FilterCriterion } from './criterion.ts'
import { criterionOf } from './parse.ts'

/** Criteria that an operator keeps on the nodes, beside those of the subscribers. */
export interface CriteriaSets {
  /** By the number that a profile names them by (SharedIFCSetID). */
  readonly shared: ReadonlyMap<number, readonly FilterCriterion[]>
  readonly fallback: readonly FilterCriterion[]
}

/** What was read, and what was left out of it, one line each. */
export interface SetsRead<T> {
  readonly ok: true
  readonly value: T
  readonly faults: readonly string[]
}

/** Such a file may hold a network's criteria, and it is the operator's own. */
const MAX_LENGTH = 1_000_000

/** Reads `shared_ifcs.xml`: `SharedIFCsSets/SharedIFCsSet`, each with a SetID and criteria. */
export function parseSharedSets(xml: string): SetsRead<CriteriaSets['shared']> | XmlFailure {
  const document = rootOf(xml, 'SharedIFCsSets')
  if (!document.ok) return document
  const faults: string[] = []
  const sets = new Map<number, readonly FilterCriterion[]>()
  for (const element of childrenNamed(document.root, 'SharedIFCsSet')) {
    const named = childNamed(element, 'SetID')
    const text = named === undefined ? '' : textOf(named)
    if (!/^\d{1,10}$/.test(text))
      faults.push(`a set has the SetID "${text.slice(0, 20)}", which is no number`)
    else if (sets.has(Number(text))) faults.push(`SetID ${text} is there twice; the first counts`)
    else sets.set(Number(text), criteriaIn(element, faults))
  }
  return { ok: true, value: sets, faults }
}

/** Reads `fallback_ifcs.xml`: `FallbackIFCsSet` with criteria. */
export function parseFallbackSet(xml: string): SetsRead<CriteriaSets['fallback']> | XmlFailure {
  const document = rootOf(xml, 'FallbackIFCsSet')
  if (!document.ok) return document
  const faults: string[] = []
  return { ok: true, value: criteriaIn(document.root, faults), faults }
}

function rootOf(xml: string, name: string): ReturnType<typeof parseXml> {
  const document = parseXml(xml, { maxLength: MAX_LENGTH })
  if (document.ok && document.root.localName !== name)
    return { ok: false, message: `root element ${document.root.localName} instead of ${name}` }
  return document
}

function criteriaIn(element: Element, faults: string[]): readonly FilterCriterion[] {
  const criteria: FilterCriterion[] = []
  for (const child of childrenNamed(element, 'InitialFilterCriteria')) {
    const result = criterionOf(child)
    if (result.ok) criteria.push(result.criterion)
    else faults.push(result.message)
  }
  return criteria.sort((a, b) => a.priority - b.priority)
}
