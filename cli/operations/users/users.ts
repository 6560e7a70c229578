import { CwError } from '../../../lib/kit/errors.ts'
import { overRange, type RangeReport, type RangeRequest } from './range.ts'
import {
  createSubscriber,
  deleteSubscriber,
  readSubscriber,
  updateSubscriber,
  type NewSubscriber,
  type Secrets,
  type Subscriber,
  type SubscriberName,
} from './subscriber.ts'

/** Creates subscribers. One that exists is an error, or with `skipExisting` the outcome 'exists'. */
export function createUsers(
  request: RangeRequest & NewSubscriber & { readonly skipExisting: boolean },
): Promise<RangeReport<'created' | 'exists'>> {
  return overRange(request, async (client, name) => {
    const outcome = await createSubscriber(client, name, request)
    if (outcome === 'exists' && !request.skipExisting) throw alreadyExists(client.origin, name)
    return outcome
  })
}

/** Replaces the secrets, and reads back what is stored then. */
export function updateUsers(request: RangeRequest & Secrets): Promise<RangeReport<Subscriber>> {
  return overRange(request, async (client, name) => {
    const outcome = await updateSubscriber(client, name, request)
    const stored =
      outcome === 'updated' ? await readSubscriber(client, name.impu, { brief: false }) : undefined
    if (stored === undefined) throw unknownSubscriber(client.origin, name)
    return stored
  })
}

/** Deletes subscribers. One that does not exist is an error, or with `skipUnknown` the outcome 'unknown'. */
export function deleteUsers(
  request: RangeRequest & { readonly skipUnknown: boolean },
): Promise<RangeReport<'deleted' | 'unknown'>> {
  return overRange(request, async (client, name) => {
    const outcome = await deleteSubscriber(client, name)
    if (outcome === 'unknown' && !request.skipUnknown) throw unknownSubscriber(client.origin, name)
    return outcome
  })
}

/** Reads what is stored; `brief` leaves out the filter criteria. */
export function showUsers(
  request: RangeRequest & { readonly brief: boolean },
): Promise<RangeReport<Subscriber>> {
  return overRange(request, async (client, name) => {
    const stored = await readSubscriber(client, name.impu, request)
    if (stored === undefined) throw unknownSubscriber(client.origin, name)
    return stored
  })
}

function alreadyExists(address: string, { number, domain, impu, impi }: SubscriberName): CwError {
  return new CwError('SUBSCRIBER_EXISTS', `${impu} already exists`, {
    where: { address },
    why: `the private id ${impi} is there; it was left as it is`,
    changed: 'nothing',
    remedies: [
      `set a new password: cw user update ${number} ${domain}`,
      'pass over numbers that exist: --if-missing',
    ],
  })
}

function unknownSubscriber(address: string, { impu }: SubscriberName): CwError {
  return new CwError('SUBSCRIBER_UNKNOWN', `there is no subscriber ${impu}`, {
    where: { address },
    changed: 'nothing',
    remedies: ['see who is there: cw user list'],
  })
}
