import type { DaemonName } from './daemon.ts'

const EVERYWHERE = ['log_level'] as const

/** Options that each daemon follows while it runs. Any other that it uses counts from its next start on. */
export const LIVE_OPTIONS: Readonly<Record<DaemonName, readonly string[]>> = {
  bono: [
    ...EVERYWHERE,
    'default_session_expires',
    'trusted_peers',
    'allow_emergency_registration',
    'allow_anonymous_emergency_calls',
  ],
  // Session timers of calls are bono's alone so far, so there is nothing that sprout would have to follow.
  sprout: [
    ...EVERYWHERE,
    'reg_max_expires',
    'nonce_count_supported',
    'apply_fallback_ifcs',
    'emergency_uri',
    'default_session_expires',
  ],
  // How long the answers of an HSS are kept will depend on it; there is no HSS yet.
  homestead: [...EVERYWHERE, 'reg_max_expires'],
  homer: EVERYWHERE,
  memento: EVERYWHERE,
  ellis: EVERYWHERE,
  ralf: EVERYWHERE,
  'config-manager': EVERYWHERE,
  'queue-manager': EVERYWHERE,
  'cluster-manager': EVERYWHERE,
  chronos: EVERYWHERE,
  astaire: [...EVERYWHERE, 'astaire_cpu_limit_percentage'],
}
