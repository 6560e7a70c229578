import { findOption } from './options.ts'
import { checkValue } from './value.ts'

/** What can be set about how a core behaves, as its daemons take it. The option of each is declared in `options/`. */
export interface Settings {
  /** Seconds. */
  readonly regMaxExpires: number
  /** Seconds. */
  readonly subMaxExpires: number
  /** Seconds. */
  readonly sessionExpires: number
  readonly nonceCountSupported: boolean
  /** `never` or `if_proxy_authorization_present`. */
  readonly nonRegisterAuthentication: string
  readonly enforceUserPhone: boolean
  readonly enforceGlobalOnlyLookups: boolean
  /** `pcscf`, `pcscf,icscf` or `pcscf,icscf,as`. */
  readonly recordRouteLevel: string
  /** 0 is for ever. */
  readonly sessionContinuedTimeoutMs: number
  /** 0 is for ever. */
  readonly sessionTerminatedTimeoutMs: number
  readonly forceThirdPartyRegBody: boolean
  readonly allowEmergencyRegistration: boolean
  readonly allowAnonymousEmergencyCalls: boolean
  readonly overrideNpdi: boolean
  readonly defaultTelUriTranslation: boolean
  readonly applyFallbackIfcs: boolean
  readonly rejectIfNoMatchingIfcs: boolean
  readonly homeCountryCode: string
}

/** The option behind each setting. */
export const SETTING_OPTIONS = {
  regMaxExpires: 'reg_max_expires',
  subMaxExpires: 'sub_max_expires',
  sessionExpires: 'default_session_expires',
  nonceCountSupported: 'nonce_count_supported',
  nonRegisterAuthentication: 'non_register_authentication',
  enforceUserPhone: 'enforce_user_phone',
  enforceGlobalOnlyLookups: 'enforce_global_only_lookups',
  recordRouteLevel: 'sprout_rr_level',
  sessionContinuedTimeoutMs: 'session_continued_timeout_ms',
  sessionTerminatedTimeoutMs: 'session_terminated_timeout_ms',
  forceThirdPartyRegBody: 'force_third_party_reg_body',
  allowEmergencyRegistration: 'allow_emergency_registration',
  allowAnonymousEmergencyCalls: 'allow_anonymous_emergency_calls',
  overrideNpdi: 'override_npdi',
  defaultTelUriTranslation: 'default_tel_uri_translation',
  applyFallbackIfcs: 'apply_fallback_ifcs',
  rejectIfNoMatchingIfcs: 'reject_if_no_matching_ifcs',
  homeCountryCode: 'home_country_code',
} as const satisfies Record<keyof Settings, string>

/**
 * The settings that a node's configuration files give.
 *
 * @param values option name to value, from all three files; an absent one, and one that validation refuses, is at its
 *   default
 */
export function settingsOf(values: ReadonlyMap<string, string>): Settings {
  const text = (name: string): string => {
    const option = findOption(name)
    if (option?.default === undefined) throw new TypeError(`${name} is no option with a default`)
    const given = values.get(name)
    return given === undefined || checkValue(option, given) !== undefined ? option.default : given
  }
  const number = (name: string): number => Number(text(name))
  const isSet = (name: string): boolean => text(name) === 'Y'
  return {
    regMaxExpires: number(SETTING_OPTIONS.regMaxExpires),
    subMaxExpires: number(SETTING_OPTIONS.subMaxExpires),
    sessionExpires: number(SETTING_OPTIONS.sessionExpires),
    nonceCountSupported: isSet(SETTING_OPTIONS.nonceCountSupported),
    nonRegisterAuthentication: text(SETTING_OPTIONS.nonRegisterAuthentication),
    enforceUserPhone: isSet(SETTING_OPTIONS.enforceUserPhone),
    enforceGlobalOnlyLookups: isSet(SETTING_OPTIONS.enforceGlobalOnlyLookups),
    recordRouteLevel: text(SETTING_OPTIONS.recordRouteLevel),
    sessionContinuedTimeoutMs: number(SETTING_OPTIONS.sessionContinuedTimeoutMs),
    sessionTerminatedTimeoutMs: number(SETTING_OPTIONS.sessionTerminatedTimeoutMs),
    forceThirdPartyRegBody: isSet(SETTING_OPTIONS.forceThirdPartyRegBody),
    allowEmergencyRegistration: isSet(SETTING_OPTIONS.allowEmergencyRegistration),
    allowAnonymousEmergencyCalls: isSet(SETTING_OPTIONS.allowAnonymousEmergencyCalls),
    overrideNpdi: isSet(SETTING_OPTIONS.overrideNpdi),
    defaultTelUriTranslation: isSet(SETTING_OPTIONS.defaultTelUriTranslation),
    applyFallbackIfcs: isSet(SETTING_OPTIONS.applyFallbackIfcs),
    rejectIfNoMatchingIfcs: isSet(SETTING_OPTIONS.rejectIfNoMatchingIfcs),
    homeCountryCode: text(SETTING_OPTIONS.homeCountryCode),
  }
}

/** Every setting at its default. */
export const DEFAULT_SETTINGS: Settings = settingsOf(new Map())
