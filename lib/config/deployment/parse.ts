import { isIPv6, SocketAddress } from 'node:net'
import { dirname, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { MOST_FILE_BYTES } from '../config-file.ts'
import { hasErrors, inOrder, type Fault } from '../fault.ts'
import { placesOf } from '../text-place.ts'
import { contradictions } from '../validate.ts'
import type {
  Deployment,
  DeploymentNode,
  DnsSettings,
  Role,
  SecretReference,
  SshSettings,
} from './deployment.ts'
import { EXTERNAL_CASSANDRA, withSharedSubscribers } from './cassandra.ts'
import { MOST_SITES, withSharedRegistrations } from './memcached.ts'
import { DEPLOYMENT_SHAPE } from './schema.ts'
import type { Shape, Tell, Word } from './shape.ts'

/** More faults than anybody reads; a broken file could have one at every character. */
const MOST_FAULTS = 100
/** As in the zone file that is printed. */
const USUAL_TTL_S = 300
const FIRST_SITE = 'site1'
const WITHOUT_SSH: SshSettings = { user: 'root', port: 22 }
/** Without one of each no call is possible. */
const NEEDED: readonly Role[] = ['bono', 'sprout', 'homestead']

export type ParsedDeployment =
  | { readonly deployment: Deployment; readonly warnings: readonly Fault[] }
  /** In the order of the file; at least one is an error. */
  | { readonly faults: readonly Fault[] }

type File = ShapeValue<typeof DEPLOYMENT_SHAPE>
type FileNode = File['nodes'][number]
type FileSsh = NonNullable<File['ssh']>
type ShapeValue<S> = S extends Shape<infer T> ? T : never

/** Reads a deployment file and checks all of it. Never throws, whatever the text. @param file its path, for the result */
export function parseDeployment(text: string, file: string): ParsedDeployment {
  if (text.length > MOST_FILE_BYTES) {
    return { faults: [{ severity: 'error', message: `the file is larger than ${MOST_FILE_BYTES} bytes` }] }
  }
  const placeAt = placesOf(text)
  const faults: Fault[] = []
  const tell: Tell = (at, message, more = {}) => {
    faults.push({ severity: 'error', message, ...placeAt(at), ...more })
  }
  const read = readShape(text, tell)
  if (read !== undefined) checkTogether(read, tell)
  // A node that could not be read may be the one that is missed.
  if (read !== undefined && !hasErrors(faults)) checkRoles(read, tell)
  if (read === undefined || hasErrors(faults)) return { faults: limited(inOrder(faults)) }
  return { deployment: deploymentOf(read, file), warnings: inOrder(faults) }
}

function readShape(text: string, tell: Tell): File | undefined {
  // Failsafe: every value stays the text it was written as, so that no number, date or "no" is mistaken for one.
  const document = parseDocument(text, { schema: 'failsafe', prettyErrors: false, merge: false })
  let readable = true
  for (const { code, message, pos } of [...document.errors, ...document.warnings]) {
    const said = MESSAGES[code] ?? message.charAt(0).toLowerCase() + message.slice(1)
    tell(pos[0], said)
    readable &&= code === 'DUPLICATE_KEY'
  }
  // After a mistake in the syntax the rest says nothing about what was meant.
  if (!readable) return undefined
  if (document.contents === null) {
    tell(0, 'the file is empty: cw init writes one')
    return undefined
  }
  return DEPLOYMENT_SHAPE.read(document.contents, 'the file', tell)
}

const MESSAGES: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this key is there twice',
  TAB_AS_INDENT: 'a tab cannot indent a line: use blanks',
  MULTIPLE_DOCS: 'a second document begins here; the file is one document',
  TAG_RESOLVE_FAILED: 'tags are not supported: leave out the word with !',
}

function checkTogether(file: File, tell: Tell): void {
  const sites = file.sites ?? []
  unique(sites, 'the site', tell)
  unique(
    file.nodes.map(node => node.name),
    'the node name',
    tell,
  )
  unique(
    file.nodes.map(node => node.address),
    'the address',
    tell,
    canonical,
  )
  unique(
    file.nodes.flatMap(node => node.public_hostname ?? []),
    'the public_hostname',
    tell,
  )
  for (const node of file.nodes) {
    unique(node.roles ?? [], 'the role', tell)
    checkSite(node, sites, tell)
    if (/^(0\.0\.0\.0|::)$/.test(canonical(node.address.text))) {
      tell(node.address.at, 'address is the address of one host, not of all', { key: 'address' })
    }
  }
  for (const [name, { env, file: path, at }] of file.secrets ?? []) {
    if ((env === undefined) === (path === undefined))
      tell(at, `${name} has either env or file`, { key: name })
  }
  const given = new Map([...(file.settings ?? [])].map(([name, { text }]) => [name, text]))
  for (const { key, message } of contradictions(given)) {
    tell(file.settings?.get(key)?.at ?? file.at, message, { severity: 'warning', key })
  }
}

function checkRoles(file: File, tell: Tell): void {
  const roles = new Set(file.nodes.flatMap(node => (node.roles ?? []).map(role => role.text)))
  if (roles.size === 0) tell(file.at, 'no node has a role', { key: 'nodes' })
  else {
    for (const role of NEEDED.filter(needed => !roles.has(needed))) {
      tell(file.at, `no node is a ${role}: calls need one`, { severity: 'warning', key: 'nodes' })
    }
  }
  if (!hasCassandra(file)) checkAlone(file, tell)
  const sprouts = file.nodes.flatMap(({ roles = [], site }) =>
    roles.filter(({ text }) => text === 'sprout').map(role => ({ role, site: siteOf(site, file) })),
  )
  const sites = [...new Set(sprouts.map(({ site }) => site))]
  const beyond = sprouts.find(({ site }) => sites.indexOf(site) >= MOST_SITES)
  if (beyond === undefined) return
  const message = `sprouts share what they know between ${MOST_SITES} sites at most: ${sites.slice(0, MOST_SITES).join(' and ')} have some`
  tell(beyond.role.at, message, { key: 'roles' })
}

function siteOf(site: Word | undefined, { sites = [] }: File): string {
  return site?.text ?? sites[0]?.text ?? FIRST_SITE
}

/** Whether there is a Cassandra: the operator's, or one on each of several homesteads. */
function hasCassandra(file: File): boolean {
  return wordsOf(file, 'homestead').length > 1 || file.settings?.get(EXTERNAL_CASSANDRA) !== undefined
}

/** What nodes keep themselves others do not have. */
function checkAlone(file: File, tell: Tell): void {
  const [, homer] = wordsOf(file, 'homer')
  if (homer !== undefined) {
    const message = 'a second homer has the documents of the first only where there are several homesteads'
    tell(homer.at, message, { severity: 'warning', key: 'roles' })
  }
  const sprouts = wordsOf(file, 'sprout')
  for (const { roles = [] } of file.nodes) {
    const memento = roles.find(({ text }) => text === 'memento')
    if (memento === undefined || (sprouts.length === 1 && roles.includes(sprouts[0] as Word))) continue
    const message =
      'memento reads call lists on the node of the only sprout, or where there are several homesteads'
    tell(memento.at, message, { key: 'roles' })
  }
}

function wordsOf({ nodes }: File, role: Role): readonly Word[] {
  return nodes.flatMap(node => (node.roles ?? []).filter(({ text }) => text === role))
}

function checkSite({ site }: FileNode, sites: readonly Word[], tell: Tell): void {
  if (site === undefined) return
  const known = sites.length === 0 ? [FIRST_SITE] : sites.map(each => each.text)
  if (!known.includes(site.text)) {
    tell(site.at, `the site ${site.text} is not among sites: ${known.join(', ')}`, { key: 'site' })
  }
}

function unique(
  words: readonly Word[],
  what: string,
  tell: Tell,
  by = (text: string): string => text.toLowerCase(),
): void {
  const seen = new Set<string>()
  for (const { text, at } of words) {
    if (seen.has(by(text))) tell(at, `${what} ${text} is there twice`)
    seen.add(by(text))
  }
}

/** One spelling of an address: IPv6 has many. */
function canonical(address: string): string {
  return new SocketAddress({ address, family: isIPv6(address) ? 'ipv6' : 'ipv4' }).address
}

function deploymentOf(file: File, path: string): Deployment {
  const sites = (file.sites ?? []).map(site => site.text)
  const ssh = sshOf(file.ssh, WITHOUT_SSH)
  const settings = textsOf(file.settings)
  const base = {
    domain: file.domain.text.toLowerCase(),
    sites: sites.length === 0 ? [FIRST_SITE] : sites,
    ssh,
    user: textsOf(file.user_settings),
  }
  return {
    name: file.name.text,
    domain: base.domain,
    sites: base.sites,
    nodes: withSharedSubscribers(
      withSharedRegistrations(file.nodes.map(node => nodeOf(node, base))),
      settings,
    ),
    settings,
    secrets: new Map(
      [...(file.secrets ?? [])].map(([name, { env, file: at }]) => [name, referenceOf(env, at)]),
    ),
    ssh,
    ...(file.dns === undefined ? {} : { dns: dnsOf(file.dns, base.domain, path) }),
    file: path,
  }
}

function dnsOf(
  { server, port, zone, key_file: key, ttl }: NonNullable<File['dns']>,
  domain: string,
  file: string,
): DnsSettings {
  return {
    server: canonical(server.text),
    port: Number(port?.text ?? 53),
    zone: zone?.text.toLowerCase() ?? domain,
    ttl: Number(ttl?.text ?? USUAL_TTL_S),
    ...(key === undefined ? {} : { keyFile: resolve(dirname(file), key.text) }),
  }
}

function nodeOf(
  node: FileNode,
  base: Pick<Deployment, 'domain' | 'sites' | 'ssh'> & Pick<DeploymentNode, 'user'>,
): Omit<DeploymentNode, 'sharesRegistrations' | 'sharesSubscribers'> {
  // Hosts tell theirs in this spelling, and it is compared as text.
  const address = canonical(node.address.text)
  return {
    name: node.name.text,
    address,
    publicAddress: node.public_address === undefined ? address : canonical(node.public_address.text),
    publicHostname: node.public_hostname?.text ?? `${node.name.text}.${base.domain}`,
    site: node.site?.text ?? base.sites[0] ?? FIRST_SITE,
    roles: (node.roles ?? []).map(role => role.text as Role),
    ssh: sshOf(node.ssh, base.ssh),
    local: textsOf(node.local),
    user: new Map([...base.user, ...textsOf(node.user)]),
  }
}

function sshOf(given: FileSsh | undefined, otherwise: SshSettings): SshSettings {
  const { user, port, identity_file: identityFile, jump, known_hosts: knownHosts } = given ?? {}
  return {
    ...otherwise,
    ...(user === undefined ? {} : { user: user.text }),
    ...(port === undefined ? {} : { port: Number(port.text) }),
    ...(identityFile === undefined ? {} : { identityFile: identityFile.text }),
    ...(jump === undefined ? {} : { jump: jump.text }),
    ...(knownHosts === undefined ? {} : { knownHosts: knownHosts.text }),
  }
}

function textsOf(words: ReadonlyMap<string, Word> | undefined): ReadonlyMap<string, string> {
  return new Map([...(words ?? [])].map(([name, { text }]) => [name, text]))
}

function referenceOf(env: Word | undefined, file: Word | undefined): SecretReference {
  return env === undefined ? { file: file?.text ?? '' } : { env: env.text }
}

function limited(faults: readonly Fault[]): readonly Fault[] {
  if (faults.length <= MOST_FAULTS) return faults
  const more: Fault = { severity: 'error', message: `and ${faults.length - MOST_FAULTS} more` }
  return [...faults.slice(0, MOST_FAULTS), more]
}
