import { CwError } from '../kit/errors.ts'

/** One member that could not be used. `unknown`: the request may have had its effect. */
export interface Attempt {
  readonly origin: string
  readonly kind: 'unreachable' | 'no-leader' | 'unknown'
  readonly reason: string
}

/**
 * No member could do it: none answers, or those that do have no majority.
 *
 * @param effect `read`: whatever became of the request, it has changed nothing
 */
export function unavailable(attempts: readonly Attempt[], effect: 'read' | 'repeatable' | 'once'): CwError {
  const reached = attempts.some(attempt => attempt.kind !== 'unreachable')
  const uncertain = effect !== 'read' && attempts.some(attempt => attempt.kind === 'unknown')
  const reasons = new Map(attempts.map(({ origin, reason }) => [origin, reason]))
  return new EtcdUnavailable(
    'ETCD_UNAVAILABLE',
    reached
      ? 'etcd cannot do this now: no majority of its members works together'
      : 'no member of etcd answers',
    {
      where: { address: [...reasons.keys()].join(', ') },
      why: [...reasons].map(([origin, reason]) => `${origin}: ${reason}`).join('; '),
      changed: uncertain ? 'some' : 'nothing',
      remedies: [
        'see which nodes are up: cw status',
        'more than half of the etcd members must run; calls go on without',
      ],
    },
    uncertain,
  )
}

/** The cluster works and does not want this request. */
export function refusal(reason: string, origin: string): CwError {
  return new CwError('ETCD_REFUSED', `etcd refuses: ${reason.replace(/^etcdserver: /, '')}`, {
    where: { address: origin },
    changed: 'nothing',
    ...(/space exceeded/.test(reason)
      ? { remedies: ['etcd is full: compact and defragment it, then disarm its alarm'] }
      : {}),
  })
}

/** Whether what failed may have been done all the same: look before doing it again. */
export function isUncertain(error: unknown): boolean {
  return error instanceof EtcdUnavailable && error.uncertain
}

class EtcdUnavailable extends CwError {
  readonly uncertain: boolean

  constructor(code: 'ETCD_UNAVAILABLE', message: string, detail: CwError['detail'], uncertain: boolean) {
    super(code, message, detail)
    this.uncertain = uncertain
  }
}
