import {
  empty,
  encodePathPart,
  json,
  refuse,
  xml,
  type HttpAnswer,
  type HttpRequest,
} from '../../lib/http/message.ts'
import type { HttpServer } from '../../lib/http/server.ts'
import type { Impi, Impu } from '../../lib/ims/identity.ts'
import { impuFromText } from '../../lib/ims/subscription-xml.ts'
import { childNamed, formatPlain, parseXml, textOf } from '../../lib/ims/xml.ts'
import type { IrsId, ProfileId, StoredProfile } from '../../lib/store/provisioning-store.ts'
import { readCredentials } from './credentials.ts'
import type { Outcome, Provisioning } from './provisioning.ts'

const NOT_EMPTY = refuse(400, 'Body not empty')

/** Homestead-prov's routes for private identities, sets, profiles and public identities (interfaces.md §2.2–2.5). */
export function addProvisioningRoutes(
  server: HttpServer,
  provisioning: Provisioning,
  homeDomain: string,
): void {
  addPrivateRoutes(server, provisioning, homeDomain)
  addSetRoutes(server, provisioning)
  addProfileRoutes(server, provisioning)
  addPublicRoutes(server, provisioning)
}

function addPrivateRoutes(server: HttpServer, provisioning: Provisioning, homeDomain: string): void {
  const { store } = provisioning
  server.route('/private/:impi', {
    GET: async request => {
      const user = await store.getPrivate(impiOf(request))
      if (user === undefined) return empty(404)
      const { ha1, sha256Ha1, realm, plaintextPassword, hasUsim } = user
      return json({
        digest_ha1: ha1,
        digest_ha1_sha256: sha256Ha1,
        realm,
        plaintext_password: plaintextPassword,
        // A key of a USIM is never read back.
        aka: hasUsim,
      })
    },
    PUT: async request => {
      const given = readCredentials(request.body, impiOf(request), homeDomain)
      if (typeof given === 'string') return refuse(400, given)
      await provisioning.putPrivate(impiOf(request), given.credentials, given.usim)
      return empty(200)
    },
    DELETE: async request => empty((await provisioning.removePrivate(impiOf(request))) ? 200 : 204),
  })
  server.route('/private/:impi/associated_implicit_registration_sets', {
    GET: async request => {
      const user = await store.getPrivate(impiOf(request))
      return user === undefined ? empty(404) : json({ associated_implicit_registration_sets: user.irss })
    },
  })
  server.route('/private/:impi/associated_implicit_registration_sets/:irs', {
    PUT: request => associate(provisioning, request),
    DELETE: async request =>
      empty((await provisioning.dissociate(impiOf(request), irsOf(request))) ? 200 : 204),
  })
  server.route('/private/:impi/associated_public_ids', {
    GET: async request => {
      const user = await store.getPrivate(impiOf(request))
      if (user === undefined) return empty(404)
      const impus = await Promise.all(user.irss.map(irs => impusOfIrs(provisioning, irs)))
      return json({ associated_public_ids: impus.flat() })
    },
  })
}

function addSetRoutes(server: HttpServer, provisioning: Provisioning): void {
  const { store } = provisioning
  server.route('/irs', {
    POST: async request => {
      if (request.body !== '') return NOT_EMPTY
      return created(`/irs/${await store.createIrs()}`)
    },
  })
  server.route('/irs/:irs', {
    DELETE: async request => empty((await provisioning.removeIrs(irsOf(request))) ? 200 : 204),
  })
  server.route('/irs/:irs/public_ids', {
    GET: async request => {
      if ((await store.getIrs(irsOf(request))) === undefined) return empty(404)
      return json({ public_ids: await impusOfIrs(provisioning, irsOf(request)) })
    },
  })
  server.route('/irs/:irs/private_ids', {
    GET: async request => {
      const set = await store.getIrs(irsOf(request))
      return set === undefined ? empty(404) : json({ private_ids: set.impis })
    },
  })
  server.route('/irs/:irs/private_ids/:impi', {
    PUT: request => associate(provisioning, request),
    DELETE: async request =>
      empty((await provisioning.dissociate(impiOf(request), irsOf(request))) ? 200 : 404),
  })
}

function addProfileRoutes(server: HttpServer, provisioning: Provisioning): void {
  const { store } = provisioning
  /** The profile the path names, or the answer that it is not there. */
  const profileAt = async (request: HttpRequest): Promise<StoredProfile | HttpAnswer> => {
    const profile = await store.getProfile(profileOf(request))
    if (profile === undefined) return empty(404)
    return profile.irs === irsOf(request) ? profile : empty(403)
  }

  server.route('/irs/:irs/service_profiles', {
    POST: async request => {
      if (request.body !== '') return NOT_EMPTY
      const profile = await store.createProfile(irsOf(request))
      return profile === undefined ? empty(404) : created(profilePath(irsOf(request), profile))
    },
  })
  server.route('/irs/:irs/service_profiles/:profile', {
    DELETE: async request => changed(await provisioning.removeProfile(irsOf(request), profileOf(request))),
  })
  server.route('/irs/:irs/service_profiles/:profile/public_ids', {
    GET: async request => {
      const profile = await profileAt(request)
      return 'status' in profile ? profile : json({ public_ids: profile.impus })
    },
  })
  server.route('/irs/:irs/service_profiles/:profile/public_ids/:impu', {
    PUT: async request => {
      const identity = readPublicIdentity(request.body)
      if (!identity.ok) return refuse(400, identity.message)
      const impu = impuOf(request)
      if (identity.impu !== impu) return refuse(403, 'Incorrect XML: Identity is not the one of the path')
      return changed(await provisioning.putPublic(irsOf(request), profileOf(request), impu, identity.xml))
    },
    DELETE: async request =>
      changed(await provisioning.removePublic(irsOf(request), profileOf(request), impuOf(request))),
  })
  server.route('/irs/:irs/service_profiles/:profile/filter_criteria', {
    GET: async request => {
      const profile = await profileAt(request)
      if ('status' in profile) return profile
      return profile.filterCriteria === undefined ? empty(404) : xml(profile.filterCriteria)
    },
    PUT: async request => {
      const fault = filterCriteriaFault(request.body)
      if (fault !== undefined) return refuse(400, fault)
      return changed(await provisioning.putFilterCriteria(irsOf(request), profileOf(request), request.body))
    },
  })
}

function addPublicRoutes(server: HttpServer, { store }: Provisioning): void {
  server.route('/public/:impu/service_profile', {
    GET: async request => {
      const user = await store.getPublic(impuOf(request))
      return user === undefined ? empty(404) : seeOther(profilePath(user.irs, user.profile))
    },
  })
  server.route('/public/:impu/irs', {
    GET: async request => {
      const user = await store.getPublic(impuOf(request))
      return user === undefined ? empty(404) : seeOther(`/irs/${user.irs}`)
    },
  })
  server.route('/public/:impu/associated_private_ids', {
    GET: async request => {
      const user = await store.getPublic(impuOf(request))
      if (user === undefined) return empty(404)
      return json({ private_ids: (await store.getIrs(user.irs))?.impis ?? [] })
    },
  })
}

async function associate(provisioning: Provisioning, request: HttpRequest): Promise<HttpAnswer> {
  if (request.body !== '') return NOT_EMPTY
  return empty((await provisioning.associate(impiOf(request), irsOf(request))) ? 200 : 404)
}

async function impusOfIrs({ store }: Provisioning, irs: IrsId): Promise<Impu[]> {
  const profiles = (await store.getIrs(irs))?.profiles ?? []
  const stored = await Promise.all(profiles.map(profile => store.getProfile(profile)))
  return stored.flatMap(profile => profile?.impus ?? [])
}

/** A `PublicIdentity` element, kept as it is but for its namespaces. */
function readPublicIdentity(
  body: string,
):
  | { readonly ok: true; readonly impu: Impu; readonly xml: string }
  | { readonly ok: false; readonly message: string } {
  const document = parseXml(body)
  if (!document.ok) return document
  const identity = childNamed(document.root, 'Identity')
  if (document.root.localName !== 'PublicIdentity' || identity === undefined)
    return { ok: false, message: 'Body is not a PublicIdentity with an Identity' }
  return { ok: true, impu: impuFromText(textOf(identity)), xml: formatPlain(document.root) }
}

export function filterCriteriaFault(body: string): string | undefined {
  if (body === '') return 'Body is empty'
  const document = parseXml(body)
  if (!document.ok) return document.message
  return document.root.localName === 'ServiceProfile' ? undefined : 'Root element is not ServiceProfile'
}

function changed(outcome: Outcome): HttpAnswer {
  switch (outcome) {
    case 'done':
      return empty(200)
    case 'absent':
      return empty(404)
    case 'elsewhere':
      return empty(403)
  }
}

function created(location: string): HttpAnswer {
  return { status: 201, headers: { location } }
}

function seeOther(location: string): HttpAnswer {
  return { status: 303, headers: { location } }
}

function profilePath(irs: IrsId, profile: ProfileId): string {
  return `/irs/${encodePathPart(irs)}/service_profiles/${encodePathPart(profile)}`
}

function impiOf(request: HttpRequest): Impi {
  return (request.params.impi ?? '') as Impi
}

function impuOf(request: HttpRequest): Impu {
  return impuFromText(request.params.impu ?? '')
}

/** Ids are UUIDs of ours; whatever else is asked for is not found. */
function irsOf(request: HttpRequest): IrsId {
  return (request.params.irs ?? '').toLowerCase() as IrsId
}

function profileOf(request: HttpRequest): ProfileId {
  return (request.params.profile ?? '').toLowerCase() as ProfileId
}
