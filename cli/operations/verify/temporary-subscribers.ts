import { randomBytes } from 'node:crypto'
import { CwError } from '../../../lib/kit/errors.ts'
import type { ProvisioningClient, ResourcePath } from '../users/provisioning-client.ts'
import { credentialsOf, EMPTY_IFC, subscriberName } from '../users/subscriber.ts'
import type { Identity } from './user-agent.ts'

/** No number is written like this, and no person's name is likely to be. */
const PREFIX = 'cw-verify-'

/** No run takes so long: subscribers older than this are left over from one that was killed. */
export const LEFTOVER_AFTER_MS = 15 * 60_000

const PASSWORD_OCTETS = 24

/**
 * Subscribers for the time of a verification.
 *
 * Their registration sets also belong to a private id of their own, `cw-verify@<domain>`, which nobody can register
 * with: a store of millions need not be searched for what an earlier run has left behind. It goes with the last of them.
 */
export class TemporarySubscribers {
  #client: ProvisioningClient
  readonly #domain: string
  readonly #now: () => number
  readonly #made: { readonly identity: Identity; readonly set: ResourcePath }[] = []

  constructor(client: ProvisioningClient, domain: string, now: () => number = Date.now) {
    this.#client = client
    this.#domain = domain
    this.#now = now
  }

  /**
   * Makes one. Its name tells when: `cw-verify-20260730T101500Z-4f9a31c0`.
   *
   * @throws CwError SERVICE_UNREACHABLE, SERVICE_ERROR; what was made by then is removed by `remove`
   */
  async create(): Promise<Identity> {
    const time = new Date(this.#now()).toISOString().replaceAll(/[-:]|\.\d+/g, '')
    const name = subscriberName(`${PREFIX}${time}-${randomBytes(4).toString('hex')}`, this.#domain)
    const identity = { ...name, password: randomBytes(PASSWORD_OCTETS).toString('base64url') }
    const client = this.#client
    const set = await client.createIrs()
    this.#made.push({ identity, set })
    // The public id comes before the private one, since it is by its name that a later run finds both.
    await this.#note(set)
    const profile = await client.createServiceProfile(set)
    await client.putPublicId(profile, identity.impu)
    await client.putFilterCriteria(profile, EMPTY_IFC)
    await client.putCredentials(identity.impi, credentialsOf(identity, { ...identity, plaintext: false }))
    await client.associate(identity.impi, set)
    return identity
  }

  /** Goes on by another way to the service, such as after the homestead that was asked has been restarted. */
  use(client: ProvisioningClient): void {
    this.#client = client
  }

  /** Removes those made here; what cannot be removed may be tried again. @returns the public ids of those that could not be removed */
  async remove(): Promise<readonly string[]> {
    const left: string[] = []
    for (const each of this.#made.splice(0)) {
      try {
        await this.#delete(each.identity.impi, each.set)
      } catch (error) {
        if (!(error instanceof CwError)) throw error
        this.#made.push(each)
        left.push(each.identity.impu)
      }
    }
    if (left.length === 0) await this.#closeBook().catch(ignoreOurs)
    return left
  }

  /** Removes those of runs that were killed. @returns how many */
  async removeLeftovers(): Promise<number> {
    let removed = 0
    for (const set of (await this.#client.irsOf(this.#book)) ?? []) {
      for (const impu of await this.#client.publicIdsOf(set)) {
        const at = creationTime(impu)
        if (at === undefined || this.#now() - at < LEFTOVER_AFTER_MS) continue
        await this.#delete(impu.slice('sip:'.length), set)
        removed++
      }
    }
    return removed
  }

  get #book(): string {
    return `cw-verify@${this.#domain}`
  }

  async #note(set: ResourcePath): Promise<void> {
    const { impi, domain } = subscriberName('cw-verify', this.#domain)
    const password = randomBytes(PASSWORD_OCTETS).toString('base64url')
    const open = (): Promise<void> =>
      this.#client.putCredentials(impi, credentialsOf({ impi, domain }, { password, plaintext: false }))
    if ((await this.#client.credentials(impi)) === undefined) await open()
    try {
      await this.#client.associate(impi, set)
    } catch (error) {
      if (!(error instanceof CwError && error.code === 'SERVICE_ERROR')) throw error
      // Another run has just removed its last subscriber, and this with it.
      await open()
      await this.#client.associate(impi, set)
    }
  }

  async #delete(impi: string, set: ResourcePath): Promise<void> {
    await this.#client.deletePrivateId(impi)
    await this.#client.deleteIrs(set)
  }

  async #closeBook(): Promise<void> {
    if ((await this.#client.irsOf(this.#book))?.length === 0) await this.#client.deletePrivateId(this.#book)
  }
}

/** When a temporary subscriber was made, in milliseconds since 1970; undefined if it is none of ours. */
export function creationTime(impu: string): number | undefined {
  const time = /^sip:cw-verify-(\d{8}T\d{6}Z)-[0-9a-f]{8}@/.exec(impu)?.[1]
  if (time === undefined) return undefined
  const at = Date.parse(time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  return Number.isNaN(at) ? undefined : at
}

function ignoreOurs(error: unknown): void {
  if (!(error instanceof CwError)) throw error
}
