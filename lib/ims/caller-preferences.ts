import { H } from '../sip/header-names.ts'
import type { SipRequest } from '../sip/message.ts'
import { param } from '../sip/params.ts'
import { trimLws } from '../sip/scan.ts'
import { parseEvent } from '../sip/values.ts'
import type { Binding } from '../store/registration-store.ts'
import { agreement, featuresOf, type Features } from './features.ts'

/** One value of Accept-Contact. */
interface Wish {
  readonly features: Features
  /** Contacts that disagree are not called. */
  readonly require: boolean
  /** What a contact does not declare it has not. */
  readonly explicit: boolean
}

/** What a caller says about the phones that are to ring (RFC 3841 §7.2). */
export interface CallerPreferences {
  readonly wishes: readonly Wish[]
  readonly rejected: readonly Features[]
}

/** A contact that may be called. */
export interface Candidate {
  readonly binding: Binding
  /** False if it is not what the caller would like best. */
  readonly preferred: boolean
}

/** More predicates than any caller has: each is held against each contact. */
const MOST_PREDICATES = 20

/**
 * The preferences of a request. Without Accept-Contact its method, and the event of a SUBSCRIBE, are what a phone must be
 * able to take (§7.2.2).
 */
export function callerPreferences(request: SipRequest): CallerPreferences {
  const { headers } = request
  const rejected = valuesOf(headers.list(H['Reject-Contact'])).map(featuresOf)
  const wishes = valuesOf(headers.list(H['Accept-Contact'])).map(wish)
  return { wishes: wishes.length > 0 ? wishes : [implicitWish(request)], rejected }
}

/**
 * The contacts that a caller's preferences leave (§7.2.3, §7.2.4). One that tells of no feature at all is not judged.
 */
export function matchingContacts(
  bindings: readonly Binding[],
  preferences: CallerPreferences,
): readonly Candidate[] {
  return bindings.flatMap(binding => {
    // Most contacts have no parameters, and hardly any more than an instance.
    const features = binding.params === '' ? undefined : featuresOf(binding.params)
    if (features === undefined || features.size === 0) return [{ binding, preferred: true }]
    if (preferences.rejected.some(each => isRejected(features, each))) return []
    let preferred = true
    for (const each of preferences.wishes) {
      if (fulfils(features, each)) continue
      if (each.require) return []
      preferred = false
    }
    return [{ binding, preferred }]
  })
}

/** Rejected is only what declares all that is rejected, and agrees with all of it. */
function isRejected(contact: Features, rejected: Features): boolean {
  if (rejected.size === 0) return false
  for (const [tag, wanted] of rejected) if (agreement(contact, tag, wanted) !== 'yes') return false
  return true
}

function fulfils(contact: Features, { features, explicit }: Wish): boolean {
  for (const [tag, wanted] of features) {
    const found = agreement(contact, tag, wanted)
    if (found === 'no' || (found === 'undeclared' && explicit)) return false
  }
  return true
}

/** The parameters of each value; `*` stands before them, and nothing else can (§9.2). */
function valuesOf(values: readonly string[]): readonly string[] {
  return values
    .map(trimLws)
    .filter(value => value.startsWith('*'))
    .slice(0, MOST_PREDICATES)
    .map(value => value.slice(1))
}

function wish(params: string): Wish {
  return {
    features: featuresOf(params),
    require: param(params, 'require') !== undefined,
    explicit: param(params, 'explicit') !== undefined,
  }
}

function implicitWish(request: SipRequest): Wish {
  const event =
    request.method === 'SUBSCRIBE' ? request.headers.parsed(H.Event, parseEvent)?.package : undefined
  const features = featuresOf(
    `;methods="${request.method}"${event === undefined ? '' : `;events="${event}"`}`,
  )
  return { features, require: true, explicit: false }
}

/** How the contacts are to be tried (RFC 3841 §9.1). */
export type ForkingWish = 'parallel' | 'sequential' | 'no-fork'

/**
 * What Request-Disposition asks of forking. The other directives are not followed: a redirection would show contacts to
 * the caller, and phones that ring on after an answer serve nobody.
 */
export function forkingWish(request: SipRequest): ForkingWish {
  const lines = request.headers.lines(H['Request-Disposition'])
  if (lines.length === 0) return 'parallel'
  const directives = lines.flatMap(line => line.split(',')).map(directive => trimLws(directive).toLowerCase())
  if (directives.includes('no-fork')) return 'no-fork'
  return directives.includes('sequential') ? 'sequential' : 'parallel'
}
