import type { Awaitable } from '../kit/awaitable.ts'
import type { Impi, Impu } from './identity.ts'
import type { ImsSubscription } from './subscription.ts'

/**
 * What the core asks of the subscriber server: the Cx questions of TS 29.228 as homestead offers them.
 *
 * The same interface is served over HTTP (port 8888) and inside one process.
 */
export interface Homestead {
  /** UAR: may this identity register, and at which S-CSCF? */
  registrationStatus(query: RegistrationStatusQuery): Awaitable<Answer<ServerChoice>>
  /** LIR: which S-CSCF serves this identity? */
  location(query: LocationQuery): Awaitable<Answer<ServerChoice>>
  /** MAR: what is this identity challenged with? */
  authVector(query: AuthVectorQuery): Awaitable<Answer<AuthVector>>
  /** SAR: the S-CSCF takes, keeps or gives up an identity, and gets its profile. */
  registrationData(impu: Impu, request: RegistrationDataRequest): Awaitable<Answer<RegistrationData>>
  /** The profile as it is known now, with no effect. */
  readRegistrationData(impu: Impu): Awaitable<Answer<RegistrationData>>
}

/** A failure carries the HTTP status of the interface, which is what decides the SIP answer. */
export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly status: 400 | 403 | 404 | 405 | 500 | 503 | 504 }

export interface RegistrationStatusQuery {
  readonly impi: Impi
  readonly impu: Impu
  readonly visitedNetwork?: string
  readonly authType?: 'REG' | 'DEREG' | 'CAPAB'
  readonly emergency?: boolean
}

export interface LocationQuery {
  readonly impu: Impu
  readonly originating?: boolean
  readonly authType?: 'CAPAB'
}

export interface ServerChoice {
  /** Result-Code or Experimental-Result-Code of the answer, e.g. 2001. */
  readonly resultCode: number
  readonly scscf?: string
  readonly mandatoryCapabilities?: readonly number[]
  readonly optionalCapabilities?: readonly number[]
  readonly wildcardIdentity?: string
}

export interface AuthVectorQuery {
  readonly impi: Impi
  readonly impu: Impu
  readonly scheme?: 'digest' | 'aka' | 'aka2'
  /** base64 of RAND and AUTS, for AKA resynchronisation. */
  readonly resync?: string
  readonly serverName?: string
}

export type AuthVector =
  | {
      readonly kind: 'digest'
      readonly realm: string
      readonly qop: string
      /** By MD5. */
      readonly ha1: string
      /** By SHA-256, where the phone may also be challenged by that (RFC 8760). */
      readonly sha256Ha1?: string
    }
  | {
      readonly kind: 'aka'
      readonly version: 1 | 2
      readonly challenge: string
      readonly response: string
      readonly cryptKey: string
      readonly integrityKey: string
    }

export const REG_DATA_REQUEST_TYPES = [
  'reg',
  'call',
  'dereg-user',
  'dereg-admin',
  'dereg-timeout',
  'dereg-auth-failed',
  'dereg-auth-timeout',
] as const
export type RegDataRequestType = (typeof REG_DATA_REQUEST_TYPES)[number]

export interface RegistrationDataRequest {
  readonly type: RegDataRequestType
  readonly impi?: Impi
  readonly serverName?: string
  readonly wildcardIdentity?: string
  /** Asks the HSS even where a cached answer would do. */
  readonly bypassCache?: boolean
}

export type RegistrationState = 'REGISTERED' | 'UNREGISTERED' | 'NOT_REGISTERED'

export interface RegistrationData {
  readonly state: RegistrationState
  readonly previousState?: RegistrationState
  /** Absent if nothing is known of the identity. */
  readonly subscription?: ImsSubscription
  readonly charging: ChargingAddresses
}

/** Diameter URIs in order of priority. */
export interface ChargingAddresses {
  readonly ccf: readonly string[]
  readonly ecf: readonly string[]
}
