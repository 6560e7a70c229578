/** One setting: what an operator calls it, what it is without a word from them, and what it does. */
export interface Setting<T> {
  /** Its name in the shared configuration. */
  readonly name: string
  readonly default: T
  readonly unit?: 'seconds'
  readonly doc: string
}

/** What can be set about how a core behaves, declared once: defaults, types and docs/configuration.md follow from it. */
export const SETTINGS = {
  regMaxExpires: setting({
    name: 'reg_max_expires',
    default: 300,
    unit: 'seconds',
    doc: 'Longest lifetime of a binding; a phone that asks for more gets this.',
  }),
  sessionExpires: setting({
    name: 'default_session_expires',
    default: 600,
    unit: 'seconds',
    doc: 'Session-Expires that the edge puts into calls (RFC 4028).',
  }),
  nonceCountSupported: setting({
    name: 'nonce_count_supported',
    default: false,
    doc: 'A digest nonce may be used again with a rising count, which saves a challenge at re-registration.',
  }),
  enforceUserPhone: setting({
    name: 'enforce_user_phone',
    default: false,
    doc: 'A SIP URI is a telephone number only with user=phone.',
  }),
  enforceGlobalOnlyLookups: setting({
    name: 'enforce_global_only_lookups',
    default: false,
    doc: 'Only numbers that begin with + are looked up as numbers.',
  }),
}

export type Settings = {
  readonly [Key in keyof typeof SETTINGS]: (typeof SETTINGS)[Key] extends Setting<infer T> ? T : never
}

/** Every setting at its default. */
export const DEFAULT_SETTINGS = Object.fromEntries(
  Object.entries(SETTINGS).map(([key, declared]) => [key, declared.default]),
) as Settings

function setting(declared: Setting<number>): Setting<number>
function setting(declared: Setting<boolean>): Setting<boolean>
function setting<T>(declared: Setting<T>): Setting<T> {
  return declared
}
