import { findOption } from './options.ts'
import { checkValue } from './value.ts'

/** What can be set about how a core behaves, as its daemons take it. The option of each is declared in `options/`. */
export interface Settings {
  /** Seconds. */
  readonly regMaxExpires: number
  /** Seconds. */
  readonly sessionExpires: number
  readonly nonceCountSupported: boolean
  readonly enforceUserPhone: boolean
  readonly enforceGlobalOnlyLookups: boolean
}

/** The option behind each setting. */
export const SETTING_OPTIONS = {
  regMaxExpires: 'reg_max_expires',
  sessionExpires: 'default_session_expires',
  nonceCountSupported: 'nonce_count_supported',
  enforceUserPhone: 'enforce_user_phone',
  enforceGlobalOnlyLookups: 'enforce_global_only_lookups',
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
    sessionExpires: number(SETTING_OPTIONS.sessionExpires),
    nonceCountSupported: isSet(SETTING_OPTIONS.nonceCountSupported),
    enforceUserPhone: isSet(SETTING_OPTIONS.enforceUserPhone),
    enforceGlobalOnlyLookups: isSet(SETTING_OPTIONS.enforceGlobalOnlyLookups),
  }
}

/** Every setting at its default. */
export const DEFAULT_SETTINGS: Settings = settingsOf(new Map())
