import { diversionTarget } from '../../../lib/ims/diversion-target.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { readDocument, type ServicesToSet } from './services.ts'
import { DIVERSIONS, type DiversionName, type ServiceChanges } from './services-document.ts'

/** The word for no target. */
const NOWHERE = 'none'

type Flag = string | boolean | number | undefined

/**
 * What the flags of `cw user services set` ask for.
 *
 * @throws CwError USAGE if nothing is asked for, OPTION_INVALID for a target that is none, FILE_UNREADABLE
 */
export async function wantedServices(flags: Readonly<Record<string, Flag>>): Promise<ServicesToSet> {
  const { file, remove } = flags
  const changes = changesOf(flags)
  const isChange = Object.keys(changes).length > 1 || changes.divert.size > 0
  if ([file !== undefined, remove === true, isChange].filter(Boolean).length !== 1) {
    const what =
      file === undefined && remove !== true ? 'nothing is to be set' : 'too much is to be set at once'
    throw new CwError('USAGE', what, {
      changed: 'nothing',
      why: 'either flags for services are given, or --file, or --remove',
      remedies: ['see what there is: cw user services set --help'],
    })
  }
  if (remove === true) return { kind: 'nothing' }
  if (typeof file !== 'string') return { kind: 'changes', changes }
  return { kind: 'document', document: await readDocument(file), file }
}

function changesOf(flags: Readonly<Record<string, Flag>>): ServiceChanges {
  const divert = new Map<DiversionName, string | undefined>()
  for (const name of DIVERSIONS) {
    const flag = name === 'always' ? 'divert' : `divert-${name}`
    const target = flags[flag]
    if (typeof target === 'string')
      divert.set(name, target === NOWHERE ? undefined : targetOf(`--${flag}`, target))
  }
  const {
    'no-reply-timer': noReplySeconds,
    'bar-outgoing': barOutgoing,
    'bar-incoming': barIncoming,
    'hide-identity': hideIdentity,
  } = flags
  const given = { noReplySeconds, barOutgoing, barIncoming, hideIdentity }
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  // oclif has let none through that is not among the options.
  return { divert, ...(present as Omit<ServiceChanges, 'divert'>) }
}

/** As it was given: the MMTel server completes a number with the home domain. */
function targetOf(flag: string, target: string): string {
  if (diversionTarget(target, 'localhost') !== undefined) return target
  throw new CwError('OPTION_INVALID', `${flag} "${target}" is no address that a call can go to`, {
    changed: 'nothing',
    remedies: [`write a number, sip:USER@DOMAIN or tel:+NUMBER, or "${NOWHERE}"`],
  })
}
