import { splitList } from '../sip/list.ts'
import { parseParams, type Param } from '../sip/params.ts'
import { unquote } from '../sip/scan.ts'

/*
 * Feature tags of contacts, and the predicates over them that callers write (RFC 3840 §9, RFC 3841 §7.2.4). A tag's value
 * is a list of alternatives; two values agree if there is something that is an alternative of both.
 */

/** One alternative of a tag's value. */
type Alternative =
  | { readonly kind: 'token' | 'text'; readonly value: string; readonly negated: boolean }
  | { readonly kind: 'range'; readonly from: number; readonly to: number; readonly negated: boolean }

/** Tags with what they may be. */
export type Features = ReadonlyMap<string, readonly Alternative[]>

/** The tags that need no `+` (RFC 3840 §9, RFC 4235, RFC 4569, RFC 5688 …). */
const BASE_TAGS = new Set([
  'audio',
  'automata',
  'class',
  'duplex',
  'data',
  'control',
  'mobility',
  'description',
  'events',
  'priority',
  'methods',
  'extensions',
  'schemes',
  'application',
  'video',
  'language',
  'type',
  'isfocus',
  'actor',
  'text',
])

/** The features that parameters of a Contact, Accept-Contact or Reject-Contact tell of; others are not among them. */
export function featuresOf(params: string): Features {
  const features = new Map<string, readonly Alternative[]>()
  for (const { name, value } of parseParams(params) ?? []) {
    const tag = name.toLowerCase()
    if (tag.startsWith('+') || BASE_TAGS.has(tag)) features.set(tag, alternativesOf({ name, value }))
  }
  return features
}

export type Agreement = 'yes' | 'no' | 'undeclared'

/** Whether a contact may have a feature as the predicate wants it. */
export function agreement(contact: Features, tag: string, wanted: readonly Alternative[]): Agreement {
  const declared = contact.get(tag)
  if (declared === undefined) return 'undeclared'
  return declared.some(one => wanted.some(other => canBeBoth(one, other))) ? 'yes' : 'no'
}

function alternativesOf({ value }: Param): readonly Alternative[] {
  if (value === '') return [{ kind: 'token', value: 'true', negated: false }]
  return splitList(unquote(value)).map(alternative)
}

function alternative(written: string): Alternative {
  const negated = written.startsWith('!')
  const plain = negated ? written.slice(1) : written
  if (plain.startsWith('#')) return { kind: 'range', negated, ...rangeOf(plain.slice(1)) }
  if (plain.startsWith('<') && plain.endsWith('>'))
    return { kind: 'text', value: plain.slice(1, -1), negated }
  return { kind: 'token', value: plain.toLowerCase(), negated }
}

/** `=5`, `>=5`, `<=5`, `5:10` (RFC 3840 §9). What is none of these is no number, and agrees with none. */
function rangeOf(text: string): { readonly from: number; readonly to: number } {
  const between = /^([+-]?\d[\d.]*):([+-]?\d[\d.]*)$/.exec(text)
  if (between !== null) return { from: Number(between[1]), to: Number(between[2]) }
  const [, sign = '', digits = ''] = /^(=|>=|<=)([+-]?\d[\d.]*)$/.exec(text) ?? []
  const bound = digits === '' ? NaN : Number(digits)
  if (sign === '>=') return { from: bound, to: Infinity }
  return sign === '<=' ? { from: -Infinity, to: bound } : { from: bound, to: bound }
}

function canBeBoth(a: Alternative, b: Alternative): boolean {
  if (a.kind !== b.kind) return a.negated || b.negated
  // Of two exclusions something is always left.
  if (a.negated && b.negated) return true
  if (a.kind === 'range' && b.kind === 'range') {
    if (a.negated) return b.from < a.from || b.to > a.to
    if (b.negated) return a.from < b.from || a.to > b.to
    return a.from <= b.to && b.from <= a.to
  }
  const same = 'value' in a && 'value' in b && a.value === b.value
  return a.negated || b.negated ? !same : same
}
