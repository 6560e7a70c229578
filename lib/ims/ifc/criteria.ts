import { LRUCache } from 'lru-cache'
import type { Log } from '../../kit/log.ts'
import type { ServiceProfile } from '../subscription.ts'
import type { FilterCriterion } from './criterion.ts'
import { parseCriterion } from './parse.ts'
import type { CriteriaSets } from './sets.ts'

/** More than any subscriber has; each is tried on every request. */
const MOST_CRITERIA = 100

/** What a source of criteria stands on. */
export interface CriteriaOptions {
  readonly log: Log
  /** Shared and fallback sets as the operator has them now. */
  readonly sets?: () => CriteriaSets
  /** Whether the fallback set counts; it does if that is left out. */
  readonly appliesFallback?: () => boolean
}

const NONE: readonly FilterCriterion[] = []

/**
 * The criteria of service profiles, in the order in which they are tried.
 *
 * They are read when first asked for, once for all profiles of the same text. What cannot be read is left out and
 * logged.
 */
export class Criteria {
  readonly #options: CriteriaOptions
  readonly #byText = new LRUCache<string, { readonly criterion: FilterCriterion | undefined }>({ max: 2000 })
  /** Shared sets that were asked for in vain, each logged once. */
  readonly #missing = new LRUCache<number, true>({ max: 200 })
  /** Thousands of subscribers share one list of texts. */
  readonly #byTexts = new WeakMap<readonly string[], readonly FilterCriterion[]>()

  constructor(options: CriteriaOptions) {
    this.#options = options
  }

  /** Those of a profile with the shared sets it names, by priority, then in document order. */
  of(profile: ServiceProfile): readonly FilterCriterion[] {
    const { filterCriteria: texts, sharedSets = [] } = profile
    if (sharedSets.length > 0) return inOrder([...this.#read(texts), ...this.#shared(sharedSets)])
    if (texts.length === 0) return NONE
    const known = this.#byTexts.get(texts)
    if (known !== undefined) return known
    const criteria = inOrder(this.#read(texts))
    this.#byTexts.set(texts, criteria)
    return criteria
  }

  /** Tried when none of the profile's matched; empty unless the operator has set them up. */
  get fallback(): readonly FilterCriterion[] {
    if (this.#options.appliesFallback?.() === false) return NONE
    return this.#options.sets?.().fallback ?? NONE
  }

  #read(texts: readonly string[]): FilterCriterion[] {
    return texts.slice(0, MOST_CRITERIA).flatMap(text => this.#readOne(text) ?? [])
  }

  #readOne(text: string): FilterCriterion | undefined {
    let known = this.#byText.get(text)
    if (known === undefined) {
      const result = parseCriterion(text)
      if (!result.ok) this.#options.log.warn('a filter criterion is left out', { reason: result.message })
      known = { criterion: result.ok ? result.criterion : undefined }
      this.#byText.set(text, known)
    }
    return known.criterion
  }

  #shared(ids: readonly number[]): FilterCriterion[] {
    const shared = this.#options.sets?.().shared
    return ids.flatMap(id => {
      const set = shared?.get(id)
      if (set !== undefined) return set
      if (!this.#missing.has(id))
        this.#options.log.warn('a profile names a shared set that is not there', { id })
      this.#missing.set(id, true)
      return []
    })
  }
}

function inOrder(criteria: readonly FilterCriterion[]): readonly FilterCriterion[] {
  return [...criteria].sort((a, b) => a.priority - b.priority)
}
