import { declare } from '../option.ts'

/** Options of the manual's later days, and some that TS 24.229 asks for and the manual does not have. */
export const ADDED_OPTIONS = declare({ scope: 'shared', section: 'Not in the manual', impact: 'restart' }, [
  {
    name: 'allow_emergency_registration',
    type: 'boolean',
    default: 'N',
    impact: 'reload',
    doc: 'Phones may register contacts for emergency calls (those with ;sos). N: they are answered 503.',
    usedBy: ['bono'],
  },
  {
    name: 'emergency_uri',
    type: 'sip-uri',
    impact: 'reload',
    doc: 'Where calls to urn:service:sos go: an E-CSCF or an emergency centre. Unset: they are answered 404.',
    usedBy: ['sprout'],
  },
  {
    name: 'allow_anonymous_emergency_calls',
    type: 'boolean',
    default: 'N',
    impact: 'reload',
    doc: 'Phones that are not registered may call urn:service:sos. N: they are answered 403, as for any call.',
    usedBy: ['bono'],
  },
  {
    name: 'apply_fallback_ifcs',
    type: 'boolean',
    default: 'N',
    impact: 'reload',
    doc: 'Requests for which none of a subscriber’s filter criteria matches are tried with fallback_ifcs.xml.',
    usedBy: ['sprout'],
  },
  {
    name: 'reject_if_no_matching_ifcs',
    type: 'boolean',
    default: 'N',
    doc: 'Requests for which no filter criterion matches are answered 400; who registers so is de-registered.',
    usedBy: ['sprout'],
  },
  {
    name: 'dummy_app_server',
    type: 'sip-uri',
    doc: 'An application server that is not visited: its filter criteria only count as having matched.',
    usedBy: ['sprout'],
  },
  {
    name: 'home_country_code',
    type: 'integer',
    min: 1,
    max: 999,
    default: '1',
    doc: 'Country code whose numbers barring of international calls lets pass.',
    usedBy: ['sprout'],
  },
])
