import { CwError } from '../../../lib/kit/errors.ts'
import { HttpService } from './http-service.ts'
import { overNumbers, type NumbersRequest, type RangeReport } from './range.ts'

export interface DeregisterRequest extends NumbersRequest {
  /** Where sprout's HTTP interface is. */
  readonly sprout: { readonly host: string; readonly port: number }
}

export type DeregisterOutcome = 'deregistered' | 'not registered'

/** Ends the registrations of subscribers, as if the network had. Their phones may register again. */
export async function deregisterUsers(request: DeregisterRequest): Promise<RangeReport<DeregisterOutcome>> {
  await using sprout = await HttpService.open({ ...request.sprout, name: 'sprout', flag: '--sprout' })
  return await overNumbers(request, async ({ impu }) => {
    const path = `/impu/${encodeURIComponent(impu)}`
    const answer = await sprout.call({ method: 'DELETE', path, expect: [200, 404] })
    if (answer.status === 404) {
      throw new CwError('SUBSCRIBER_UNKNOWN', `there is no subscriber ${impu}`, {
        where: { address: sprout.origin },
        changed: 'nothing',
        remedies: ['see who is there: cw user list'],
      })
    }
    const body = sprout.json(answer, path)
    const isNone = typeof body === 'object' && body !== null && 'bindings' in body && body.bindings === 0
    return isNone ? 'not registered' : 'deregistered'
  })
}
