import { setTimeout } from 'node:timers/promises'
import { ProvisioningClient, type ProvisioningAddress } from './provisioning-client.ts'
import { readSubscriber, type Subscriber } from './subscriber.ts'

/** Users a second that leave homestead's processors alone, without and with their details. */
export const DEFAULT_PACE = { brief: 500, full: 5 } as const

/** A part of the key space is made smaller or larger until it holds about this many. */
const TARGET_PER_PART = 100

/** The first part is so small that even the largest store answers it at once. */
const FIRST_PARTS = 2 ** 24

export interface ListRequest {
  readonly hsprov: ProvisioningAddress
  readonly full: boolean
  /** Users a second. */
  readonly pace: number
  readonly signal: AbortSignal
  /** Called for each subscriber as it is found; without `full` only the public id is known. */
  readonly onSubscriber: (subscriber: Subscriber) => void
}

/**
 * Lists all subscribers, part by part of the store's key space, no faster than the pace.
 *
 * @returns how many there were, and whether the list is whole: the signal ends it early.
 */
export async function listUsers(
  request: ListRequest,
): Promise<{ readonly count: number; readonly whole: boolean }> {
  await using client = await ProvisioningClient.open(request.hsprov)
  const stopped = (): boolean => request.signal.aborted
  let count = 0
  let parts = FIRST_PARTS
  for (let index = 0; index < parts;) {
    if (stopped()) return { count, whole: false }
    const impus = await client.publicIds({ of: parts, index })
    for (const impu of impus) {
      const found = request.full
        ? await readSubscriber(client, impu, { brief: false })
        : { public_id: impu, private_ids: [] }
      // Deleted between the two requests.
      if (found === undefined) continue
      request.onSubscriber(found)
      count++
      if (request.full) await wait(1, request)
      if (stopped()) return { count, whole: false }
    }
    if (!request.full) await wait(impus.length, request)
    index++
    if (impus.length > TARGET_PER_PART * 2 && parts < FIRST_PARTS) {
      parts *= 2
      index *= 2
    } else if (impus.length < TARGET_PER_PART / 2 && parts > 1 && index % 2 === 0) {
      // Even: what is left begins where a part of twice the size does.
      parts /= 2
      index /= 2
    }
  }
  return { count, whole: true }
}

async function wait(users: number, { pace, signal }: ListRequest): Promise<void> {
  if (users === 0) return
  await setTimeout((users / pace) * 1000, undefined, { signal }).catch(() => undefined)
}
