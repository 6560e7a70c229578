import { CwError } from '../../../lib/kit/errors.ts'
import { forEachOf, type Done } from './each.ts'
import { countNumbers, numbersIn, type NumberRange } from './numbers.ts'
import { ProvisioningClient, type ProvisioningAddress } from './provisioning-client.ts'
import { subscriberName, type SubscriberName } from './subscriber.ts'

/** How many subscribers are worked on at the same time. */
const AT_ONCE = 16

/** At most this many public ids are listed in a sentence. */
const NAMED = 5

/** Subscribers by number, and how to go about them. */
export interface NumbersRequest {
  readonly numbers: readonly NumberRange[]
  readonly domain: string
  /** After a failure go on with the next number. */
  readonly keepGoing: boolean
  readonly signal: AbortSignal
  readonly onProgress: (done: number, total: number) => void
}

export interface RangeRequest extends NumbersRequest {
  readonly hsprov: ProvisioningAddress
}

export interface RangeReport<R> {
  readonly total: number
  /** In the order of the numbers; those not begun are missing. */
  readonly done: readonly Done<SubscriberName, R>[]
  /** Why not all of them succeeded. */
  readonly error?: CwError
}

/** Does the same to every number of a range, at homestead-prov. */
export async function overRange<R>(
  request: RangeRequest,
  work: (client: ProvisioningClient, name: SubscriberName) => Promise<R>,
): Promise<RangeReport<R>> {
  await using client = await ProvisioningClient.open(request.hsprov)
  return await overNumbers(request, name => work(client, name))
}

/** Does the same to every number of a range. */
export async function overNumbers<R>(
  request: NumbersRequest,
  work: (name: SubscriberName) => Promise<R>,
): Promise<RangeReport<R>> {
  const total = countNumbers(request.numbers)
  const done = await forEachOf(names(request), work, {
    atOnce: AT_ONCE,
    keepGoing: request.keepGoing,
    signal: request.signal,
    onProgress: count => {
      request.onProgress(count, total)
    },
  })
  const error = whyIncomplete(done, total)
  return { total, done, ...(error === undefined ? {} : { error }) }
}

function* names({ numbers, domain }: NumbersRequest): Generator<SubscriberName, void> {
  for (const number of numbersIn(numbers)) yield subscriberName(number, domain)
}

function whyIncomplete<R>(done: readonly Done<SubscriberName, R>[], total: number): CwError | undefined {
  const failures = done.filter(each => !each.ok)
  const [first] = failures
  const changed = failures.length < done.length || failures.some(each => each.error.detail.changed === 'some')
  if (first === undefined) {
    if (done.length === total) return undefined
    return new CwError('INTERRUPTED', `interrupted after ${done.length} of ${total} subscribers`, {
      changed: changed ? 'some' : 'nothing',
      remedies: ['run the command again to do the rest'],
    })
  }
  const detail = { ...first.error.detail, changed: changed ? 'some' : 'nothing' } as const
  if (failures.length === 1) return new CwError(first.error.code, first.error.message, detail)
  const codes = new Set(failures.map(each => each.error.code))
  return new CwError(
    codes.size === 1 ? first.error.code : 'SUBSCRIBERS_FAILED',
    `${failures.length} of ${total} subscribers failed`,
    { ...detail, why: [...codes].map(code => describe(code, failures)).join('; ') },
  )
}

function describe(code: string, failures: readonly { item: SubscriberName; error: CwError }[]): string {
  const same = failures.filter(each => each.error.code === code)
  const named = same.slice(0, NAMED).map(each => each.item.impu)
  const more = same.length > NAMED ? ` and ${same.length - NAMED} more` : ''
  return `${code} for ${named.join(', ')}${more}`
}
