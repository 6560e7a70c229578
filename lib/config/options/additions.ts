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
])
