import { DOMAIN } from './core.ts'
import type { PhoneIdentity } from './phone.ts'

export const PASSWORD = 'secret'

/** A subscriber with the usual password. */
export function subscriber(user: string): PhoneIdentity {
  return { user, domain: DOMAIN, password: PASSWORD }
}

/**
 * Creates one subscriber through the provisioning interface, call by call as an operator's own tools do.
 *
 * @param port where homestead-prov listens, on 127.0.0.1 or the host
 */
export async function provision(port: number, identity: PhoneIdentity, host = '127.0.0.1'): Promise<void> {
  const privateId = `${identity.user}@${identity.domain}`
  const publicId = `sip:${privateId}`
  const base = `http://${host}:${port}`
  const credentials = JSON.stringify({ plaintext_password: identity.password, realm: identity.domain })
  await call('PUT', `${base}/private/${encodeURIComponent(privateId)}`, credentials)
  const set = await create(base, '/irs')
  await call(
    'PUT',
    `${base}/private/${encodeURIComponent(privateId)}/associated_implicit_registration_sets/${lastPart(set)}`,
  )
  const profile = await create(base, `${set}/service_profiles`)
  const publicIdentity = `<PublicIdentity><Identity>${publicId}</Identity></PublicIdentity>`
  await call('PUT', `${base}${profile}/public_ids/${encodeURIComponent(publicId)}`, publicIdentity)
  const noServices = '<ServiceProfile></ServiceProfile>'
  await call('PUT', `${base}${profile}/filter_criteria`, noServices)
}

/** Gives a subscriber's profile these InitialFilterCriteria instead of those it has. */
export async function provisionCriteria(
  port: number,
  identity: PhoneIdentity,
  criteria: string,
  host = '127.0.0.1',
): Promise<void> {
  const base = `http://${host}:${port}`
  const publicId = encodeURIComponent(`sip:${identity.user}@${identity.domain}`)
  const found = await fetch(`${base}/public/${publicId}/service_profile`, { redirect: 'manual' })
  const profile = found.headers.get('location') ?? ''
  await call(
    'PUT',
    `${new URL(profile, base).href}/filter_criteria`,
    `<ServiceProfile>${criteria}</ServiceProfile>`,
  )
}

/** Gives a subscriber another public identity in the same profile. @param more what is in its element besides */
export async function provisionIdentity(
  port: number,
  identity: PhoneIdentity,
  publicId: string,
  more = '',
  host = '127.0.0.1',
): Promise<void> {
  const base = `http://${host}:${port}`
  const own = encodeURIComponent(`sip:${identity.user}@${identity.domain}`)
  const found = await fetch(`${base}/public/${own}/service_profile`, { redirect: 'manual' })
  const profile = new URL(found.headers.get('location') ?? '', base).href
  const body = `<PublicIdentity>${more}<Identity>${publicId}</Identity></PublicIdentity>`
  await call('PUT', `${profile}/public_ids/${encodeURIComponent(publicId)}`, body)
}

/**
 * Creates many subscribers in one streamed request.
 *
 * @param criteria InitialFilterCriteria for each; none by default, so that no server is visited for them
 */
export async function provisionMany(
  port: number,
  identities: Iterable<PhoneIdentity>,
  criteria = '',
): Promise<void> {
  const filterCriteria = `<ServiceProfile>${criteria}</ServiceProfile>`
  const lines: string[] = []
  for (const { user, domain, password } of identities) {
    const privateId = `${user}@${domain}`
    const line = { public_id: `sip:${privateId}`, private_id: privateId, realm: domain }
    lines.push(JSON.stringify({ ...line, plaintext_password: password, filter_criteria: filterCriteria }))
  }
  await call(
    'POST',
    `http://127.0.0.1:${port}/bulk/subscribers`,
    `${lines.join('\n')}\n`,
    'application/x-ndjson',
  )
}

async function create(base: string, path: string): Promise<string> {
  const location = (await call('POST', base + path)).headers.get('location')
  if (location === null) throw new Error(`POST ${path} gave no Location`)
  return new URL(location, base).pathname
}

async function call(method: string, url: string, body?: string, type?: string): Promise<Response> {
  const contentType = type ?? (body?.startsWith('<') === true ? 'application/xml' : 'application/json')
  const init = body === undefined ? { method } : { method, body, headers: { 'content-type': contentType } }
  const response = await fetch(url, init)
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`)
  return response
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** Whether the provisioning interface knows this subscriber's private identity and its credentials. */
export async function isProvisioned(port: number, identity: PhoneIdentity): Promise<boolean> {
  const privateId = encodeURIComponent(`${identity.user}@${identity.domain}`)
  const response = await fetch(`http://127.0.0.1:${port}/private/${privateId}`)
  const body = await response.text()
  return response.ok && body.includes('digest_ha1')
}
