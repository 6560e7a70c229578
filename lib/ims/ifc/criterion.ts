import type { Pattern } from './pattern.ts'

/** In which role a user is served (TS 29.228 §B.2.3), by the number it has in a trigger. */
export const SESSION_CASES = [
  'originating',
  'terminating-registered',
  'terminating-unregistered',
  'originating-unregistered',
  'originating-diverted',
] as const
export type SessionCase = (typeof SESSION_CASES)[number]

/** What a REGISTER does to the registration, by the number it has in a trigger. */
export const REGISTRATION_TYPES = ['initial', 're-registration', 'de-registration'] as const
export type RegistrationType = (typeof REGISTRATION_TYPES)[number]

/** One initial filter criterion of a service profile (TS 29.228 §B.2.2): which requests go to which server. */
export interface FilterCriterion {
  /** Lower is earlier. */
  readonly priority: number
  /** Counts for a user of this state only; undefined for both. */
  readonly profilePart: 'registered' | 'unregistered' | undefined
  /** Undefined matches every request. */
  readonly trigger: Trigger | undefined
  readonly server: ApplicationServer
}

export interface ApplicationServer {
  /** ServerName as provisioned: not empty, but perhaps no SIP URI. */
  readonly name: string
  /** What becomes of a session whose server does not answer. */
  readonly defaultHandling: 'continue' | 'terminate'
  /** Handed to the server with a third-party registration. */
  readonly serviceInfo: string | undefined
  readonly includeRequest: boolean
  readonly includeResponse: boolean
}

/** Groups of conditions: CNF is an AND of ORs, DNF an OR of ANDs. */
export interface Trigger {
  readonly form: 'cnf' | 'dnf'
  readonly groups: readonly (readonly Condition[])[]
}

export interface Condition {
  readonly negated: boolean
  readonly point: TriggerPoint
}

/** A service point trigger; one of a class we do not know is never true. */
export type TriggerPoint =
  | {
      readonly kind: 'method'
      readonly method: string
      /** For REGISTER: any of these; empty for every one. */
      readonly registrationTypes: readonly RegistrationType[]
    }
  | { readonly kind: 'header'; readonly name: Pattern; readonly content: Pattern | undefined }
  | { readonly kind: 'session-case'; readonly sessionCase: SessionCase | undefined }
  | { readonly kind: 'request-uri'; readonly pattern: Pattern }
  | { readonly kind: 'sdp'; readonly line: Pattern; readonly content: Pattern | undefined }
  | { readonly kind: 'unknown' }
