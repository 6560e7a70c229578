import { HttpService } from './http-service.ts'

export interface ProvisioningAddress {
  readonly host: string
  readonly port: number
}

/** What homestead-prov stores for a private id. */
export interface Credentials {
  /** Empty for who has no password but a USIM. */
  readonly digest_ha1: string
  readonly digest_ha1_sha256?: string
  readonly realm: string
  readonly plaintext_password?: string
  /** There is a key of a USIM, which is never read back. */
  readonly aka?: true
}

/** A digest or a password, a USIM, or both. */
export interface NewCredentials {
  readonly digest_ha1?: string
  readonly digest_ha1_sha256?: string
  readonly plaintext_password?: string
  readonly aka?: { readonly k: string; readonly opc: string; readonly amf: string }
  readonly realm: string
}

/** A subscriber as the bulk interface takes it: everything else gets its usual shape. */
export type BulkSubscriber = NewCredentials & { readonly public_id: string; readonly private_id: string }

export type BulkOutcome =
  | { readonly ok: true; readonly result: 'created' | 'updated' | 'unchanged' }
  | { readonly ok: false; readonly why: string }

/** Where a public id lives: `irs` is `/irs/I`, `profile` is `/irs/I/service_profiles/S`. */
export type ResourcePath = string & { readonly __path: true }

/**
 * Talks to homestead-prov's HTTP interface, on a few connections that are kept.
 *
 * Every method throws CwError SERVICE_UNREACHABLE if there is no answer, SERVICE_ERROR for an unforeseen one.
 */
export class ProvisioningClient implements AsyncDisposable {
  readonly #service: HttpService

  /** Opens the client once the service has answered a ping. */
  static async open(address: ProvisioningAddress): Promise<ProvisioningClient> {
    const name = 'homestead-prov'
    return new ProvisioningClient(await HttpService.open({ ...address, name, flag: '--hsprov' }))
  }

  private constructor(service: HttpService) {
    this.#service = service
  }

  get origin(): string {
    return this.#service.origin
  }

  async close(): Promise<void> {
    await this.#service.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** The credentials of a private id, if it exists. */
  async credentials(impi: string): Promise<Credentials | undefined> {
    const answer = await this.#service.call({ method: 'GET', path: privatePath(impi), expect: [200, 404] })
    return answer.status === 404 ? undefined : parseCredentials(this.#service.json(answer, privatePath(impi)))
  }

  /** Creates a private id or replaces its credentials. */
  async putCredentials(impi: string, credentials: NewCredentials): Promise<void> {
    const body = JSON.stringify(credentials)
    await this.#service.call({
      method: 'PUT',
      path: privatePath(impi),
      body,
      type: 'application/json',
      expect: [200],
    })
  }

  /** Returns whether it existed. */
  async deletePrivateId(impi: string): Promise<boolean> {
    const { status } = await this.#service.call({
      method: 'DELETE',
      path: privatePath(impi),
      expect: [200, 204, 404],
    })
    return status === 200
  }

  async createIrs(): Promise<ResourcePath> {
    return this.#create('/irs')
  }

  /** Deletes an implicit registration set with the profiles and public ids in it. Absent is fine. */
  async deleteIrs(irs: ResourcePath): Promise<void> {
    await this.#service.call({ method: 'DELETE', path: irs, expect: [200, 204, 404] })
  }

  async associate(impi: string, irs: ResourcePath): Promise<void> {
    const path = `${privatePath(impi)}/associated_implicit_registration_sets/${lastPart(irs)}`
    await this.#service.call({ method: 'PUT', path, expect: [200] })
  }

  /** The implicit registration sets of a private id; undefined if it does not exist. */
  async irsOf(impi: string): Promise<readonly ResourcePath[] | undefined> {
    const path = `${privatePath(impi)}/associated_implicit_registration_sets`
    const answer = await this.#service.call({ method: 'GET', path, expect: [200, 404] })
    if (answer.status === 404) return undefined
    const ids = stringsOf(this.#service.json(answer, path), 'associated_implicit_registration_sets')
    return ids.map(id => `/irs/${encodeURIComponent(id)}` as ResourcePath)
  }

  /** The public ids of an implicit registration set; none if it does not exist. */
  async publicIdsOf(irs: ResourcePath): Promise<readonly string[]> {
    const path = `${irs}/public_ids`
    const answer = await this.#service.call({ method: 'GET', path, expect: [200, 404] })
    return answer.status === 404 ? [] : stringsOf(this.#service.json(answer, path), 'public_ids')
  }

  async createServiceProfile(irs: ResourcePath): Promise<ResourcePath> {
    return this.#create(`${irs}/service_profiles`)
  }

  async deleteServiceProfile(profile: ResourcePath): Promise<void> {
    await this.#service.call({ method: 'DELETE', path: profile, expect: [200, 204, 404] })
  }

  /** The service profile of a public id, if it exists. */
  async profileOf(impu: string): Promise<ResourcePath | undefined> {
    const path = `/public/${encodeURIComponent(impu)}/service_profile`
    const { status, location } = await this.#service.call({ method: 'GET', path, expect: [303, 404] })
    if (status === 404) return undefined
    return this.#located('GET', path, location)
  }

  async putPublicId(profile: ResourcePath, impu: string): Promise<void> {
    const path = `${profile}/public_ids/${encodeURIComponent(impu)}`
    const body = `<PublicIdentity><Identity>${escapeXml(impu)}</Identity></PublicIdentity>`
    await this.#service.call({ method: 'PUT', path, body, type: 'application/xml', expect: [200] })
  }

  async deletePublicId(profile: ResourcePath, impu: string): Promise<void> {
    const path = `${profile}/public_ids/${encodeURIComponent(impu)}`
    await this.#service.call({ method: 'DELETE', path, expect: [200, 204, 404] })
  }

  async putFilterCriteria(profile: ResourcePath, xml: string): Promise<void> {
    const path = `${profile}/filter_criteria`
    await this.#service.call({ method: 'PUT', path, body: xml, type: 'application/xml', expect: [200] })
  }

  /** The stored filter criteria of a service profile, if it has any. */
  async filterCriteria(profile: ResourcePath): Promise<string | undefined> {
    const answer = await this.#service.call({
      method: 'GET',
      path: `${profile}/filter_criteria`,
      expect: [200, 404],
    })
    return answer.status === 404 ? undefined : answer.body
  }

  /** The private ids that may register a public id; undefined if there is no such public id. */
  async privateIdsOf(impu: string): Promise<readonly string[] | undefined> {
    const path = `/public/${encodeURIComponent(impu)}/associated_private_ids`
    const answer = await this.#service.call({ method: 'GET', path, expect: [200, 404] })
    return answer.status === 404 ? undefined : stringsOf(this.#service.json(answer, path), 'private_ids')
  }

  /** The public ids in one of the equal parts into which the store's key space is cut. */
  async publicIds(part: { readonly of: number; readonly index: number }): Promise<readonly string[]> {
    const path = `/public/?excludeuuids=true&chunk-proportion=${part.of}&chunk=${part.index}`
    const body = this.#service.json(await this.#service.call({ method: 'GET', path, expect: [200] }), path)
    const items = isRecord(body) && Array.isArray(body.public_ids) ? (body.public_ids as unknown[]) : []
    return items.flatMap(item =>
      isRecord(item) && typeof item.public_id === 'string' ? [item.public_id] : [],
    )
  }

  /** Creates or renews many subscribers, and gives the outcomes in their order. */
  async putSubscribers(subscribers: readonly BulkSubscriber[]): Promise<readonly BulkOutcome[]> {
    const { body } = await this.#service.call({
      method: 'POST',
      path: '/bulk/subscribers',
      body: subscribers.map(each => `${JSON.stringify(each)}\n`).join(''),
      type: 'application/x-ndjson',
      expect: [200],
    })
    return parseOutcomes(body)
  }

  async #create(path: string): Promise<ResourcePath> {
    const { location } = await this.#service.call({ method: 'POST', path, expect: [201] })
    return this.#located('POST', path, location)
  }

  #located(method: string, path: string, location: string | undefined): ResourcePath {
    const found = location === undefined ? null : /\/irs\/[^?#]+$/.exec(location)
    if (found === null) throw this.#service.unforeseen(method, path, `answered without a usable Location`)
    return found[0] as ResourcePath
  }
}

function privatePath(impi: string): string {
  return `/private/${encodeURIComponent(impi)}`
}

function lastPart(path: ResourcePath): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function parseCredentials(body: unknown): Credentials {
  const { digest_ha1, digest_ha1_sha256, realm, plaintext_password, aka } = isRecord(body) ? body : {}
  return {
    digest_ha1: typeof digest_ha1 === 'string' ? digest_ha1 : '',
    realm: typeof realm === 'string' ? realm : '',
    ...(typeof digest_ha1_sha256 === 'string' ? { digest_ha1_sha256 } : {}),
    ...(typeof plaintext_password === 'string' && plaintext_password !== '' ? { plaintext_password } : {}),
    ...(aka === true ? { aka } : {}),
  }
}

/** One JSON object a line. */
function parseOutcomes(body: string): readonly BulkOutcome[] {
  return body
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      const { result, reason } = parseRecord(line)
      if (result === 'created' || result === 'updated' || result === 'unchanged') return { ok: true, result }
      if (result === 'conflict') return { ok: false, why: 'the public id belongs to another subscriber' }
      return { ok: false, why: typeof reason === 'string' ? reason : 'homestead-prov gave no reason' }
    })
}

function parseRecord(text: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text)
    return isRecord(parsed) ? parsed : {}
  } catch {
    return {}
  }
}

function stringsOf(body: unknown, key: string): readonly string[] {
  const list = isRecord(body) ? body[key] : undefined
  return Array.isArray(list) ? list.filter(item => typeof item === 'string') : []
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
