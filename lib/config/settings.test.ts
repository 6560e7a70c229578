import { expect, test } from 'vitest'
import { findOption } from './options.ts'
import { DEFAULT_SETTINGS, SETTING_OPTIONS, settingsOf } from './settings.ts'

test('each setting is an option with a default', () => {
  for (const name of Object.values(SETTING_OPTIONS)) expect(findOption(name)?.default).toBeDefined()
})

test('without a word from the operator every setting has its default', () => {
  expect(DEFAULT_SETTINGS).toEqual({
    regMaxExpires: 300,
    sessionExpires: 600,
    subMaxExpires: 300,
    nonceCountSupported: false,
    nonRegisterAuthentication: 'never',
    enforceUserPhone: false,
    enforceGlobalOnlyLookups: false,
    recordRouteLevel: 'pcscf',
    sessionContinuedTimeoutMs: 2000,
    sessionTerminatedTimeoutMs: 4000,
    forceThirdPartyRegBody: false,
    allowEmergencyRegistration: false,
    allowAnonymousEmergencyCalls: false,
    overrideNpdi: false,
    defaultTelUriTranslation: true,
    applyFallbackIfcs: false,
    rejectIfNoMatchingIfcs: false,
    homeCountryCode: '1',
  })
})

test('settings follow the configuration files', () => {
  const values = new Map([
    ['reg_max_expires', '1800'],
    ['nonce_count_supported', 'Y'],
    ['enforce_user_phone', 'N'],
  ])

  expect(settingsOf(values)).toEqual({ ...DEFAULT_SETTINGS, regMaxExpires: 1800, nonceCountSupported: true })
})

test.each([
  ['reg_max_expires', 'never'],
  ['default_session_expires', '10'],
  ['nonce_count_supported', 'yes'],
])('%s=%s, which validation refuses, is at its default', (name, value) => {
  expect(settingsOf(new Map([[name, value]]))).toEqual(DEFAULT_SETTINGS)
})
