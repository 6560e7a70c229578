import { createHash } from 'node:crypto'
import { CwError } from '../../../lib/kit/errors.ts'
import type { Credentials, NewCredentials, ProvisioningClient } from './provisioning-client.ts'

/** A subscriber as the tools make one: a number in a domain, with one private and one public id. */
export interface SubscriberName {
  readonly number: string
  readonly domain: string
  readonly impu: string
  readonly impi: string
}

/** What is stored of a subscriber. */
export interface Subscriber {
  readonly public_id: string
  readonly private_ids: readonly ({ readonly private_id: string } & Credentials)[]
  readonly ifc?: string
}

/** What the maker of a USIM gives with it, in hexadecimal digits. */
export interface UsimSecrets {
  readonly k: string
  readonly opc: string
  readonly amf: string
}

/** By what a subscriber proves itself: a password, a USIM, or both. */
export interface Secrets {
  readonly password?: string
  /** Store the password itself beside its digest. */
  readonly plaintext: boolean
  /** Store its SHA-256 digest too, so that phones may answer by that (RFC 8760). */
  readonly sha256?: boolean
  readonly usim?: UsimSecrets
}

export interface NewSubscriber extends Secrets {
  /** Filter criteria, a `<ServiceProfile>` document. */
  readonly ifc: string
}

export const EMPTY_IFC = '<?xml version="1.0" encoding="UTF-8"?>\n<ServiceProfile></ServiceProfile>'

export function subscriberName(number: string, domain: string): SubscriberName {
  return { number, domain, impu: `sip:${number}@${domain}`, impi: `${number}@${domain}` }
}

/** Without `plaintext` the password does not leave this process: only HA1 = MD5(impi:realm:password) does. */
export function credentialsOf(
  name: Pick<SubscriberName, 'impi' | 'domain'>,
  { password, plaintext, sha256 = false, usim }: Secrets,
): NewCredentials {
  const realm = name.domain
  const aka = usim === undefined ? {} : { aka: usim }
  if (password === undefined) return { ...aka, realm }
  const ha1 = (algorithm: string): string =>
    createHash(algorithm).update(`${name.impi}:${realm}:${password}`).digest('hex')
  return {
    ...(plaintext ? { plaintext_password: password } : { digest_ha1: ha1('md5') }),
    ...(sha256 ? { digest_ha1_sha256: ha1('sha256') } : {}),
    ...aka,
    realm,
  }
}

/**
 * Creates one subscriber: private id, registration set, profile, public id, filter criteria. If a step fails, the ones
 * before it are undone.
 *
 * @returns 'exists' and changes nothing if the private id is already there.
 */
export async function createSubscriber(
  client: ProvisioningClient,
  name: SubscriberName,
  wanted: NewSubscriber,
): Promise<'created' | 'exists'> {
  if ((await client.credentials(name.impi)) !== undefined) return 'exists'
  const undo: (() => Promise<unknown>)[] = []
  try {
    undo.push(() => client.deletePrivateId(name.impi))
    await client.putCredentials(name.impi, credentialsOf(name, wanted))
    const irs = await client.createIrs()
    undo.push(() => client.deleteIrs(irs))
    await client.associate(name.impi, irs)
    const profile = await client.createServiceProfile(irs)
    await client.putPublicId(profile, name.impu)
    await client.putFilterCriteria(profile, wanted.ifc)
    return 'created'
  } catch (error) {
    throw await undone(error, undo, name)
  }
}

/** Takes the steps back, latest first, and says in the error whether that worked. */
async function undone(
  error: unknown,
  undo: readonly (() => Promise<unknown>)[],
  { impu, number, domain }: SubscriberName,
): Promise<unknown> {
  let clean = true
  for (const step of undo.toReversed()) {
    try {
      await step()
    } catch {
      clean = false
    }
  }
  if (!(error instanceof CwError)) return error
  const { code, message, detail } = error
  if (clean) return new CwError(code, message, { ...detail, changed: 'nothing' })
  return new CwError(code, `${message}; ${impu} is left half-made`, {
    ...detail,
    changed: 'some',
    remedies: [`cw user delete ${number} ${domain} --force`, ...(detail.remedies ?? [])],
  })
}

/** Replaces the secrets. @returns 'unknown' if there is no such private id. */
export async function updateSubscriber(
  client: ProvisioningClient,
  name: SubscriberName,
  wanted: Secrets,
): Promise<'updated' | 'unknown'> {
  if ((await client.credentials(name.impi)) === undefined) return 'unknown'
  await client.putCredentials(name.impi, credentialsOf(name, wanted))
  return 'updated'
}

/**
 * Deletes a public id with its service profile, then the private id with its first registration set. What a half-made
 * subscriber lacks is passed over.
 *
 * @returns 'unknown' if there is neither a public nor a private id.
 */
export async function deleteSubscriber(
  client: ProvisioningClient,
  { impu, impi }: SubscriberName,
): Promise<'deleted' | 'unknown'> {
  const profile = await client.profileOf(impu)
  if (profile !== undefined) {
    await client.deletePublicId(profile, impu)
    await client.deleteServiceProfile(profile)
  }
  const sets = await client.irsOf(impi)
  if (sets === undefined) return profile === undefined ? 'unknown' : 'deleted'
  const [first] = sets
  if (first !== undefined) await client.deleteIrs(first)
  await client.deletePrivateId(impi)
  return 'deleted'
}

/** What is stored of a public id; undefined if it does not exist. `brief` leaves out the filter criteria. */
export async function readSubscriber(
  client: ProvisioningClient,
  impu: string,
  { brief }: { readonly brief: boolean },
): Promise<Subscriber | undefined> {
  const impis = await client.privateIdsOf(impu)
  if (impis === undefined) return undefined
  const found = await Promise.all(
    impis.map(async impi => ({ private_id: impi, stored: await client.credentials(impi) })),
  )
  const private_ids = found.flatMap(({ private_id, stored }) =>
    stored === undefined ? [] : [{ private_id, ...stored }],
  )
  if (brief) return { public_id: impu, private_ids }
  const profile = await client.profileOf(impu)
  const ifc = profile === undefined ? undefined : await client.filterCriteria(profile)
  return { public_id: impu, private_ids, ...(ifc === undefined ? {} : { ifc }) }
}
