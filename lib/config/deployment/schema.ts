import { scopesOf, type Option, type Scope } from '../option.ts'
import { findOption, OPTIONS } from '../options.ts'
import { validateName } from '../validate.ts'
import { ROLES } from './deployment.ts'
import {
  dictionary,
  list,
  record,
  schemaOf,
  word,
  type JsonSchema,
  type Shape,
  type Word,
  type WordRule,
} from './shape.ts'

/** Names of deployments and nodes: the latter become host names. */
export const LABEL: WordRule = {
  type: 'text',
  pattern: /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/,
  says: 'is lower-case letters, digits and hyphens, a letter first',
}
export const SSH_USER: WordRule = {
  type: 'text',
  pattern: /^[A-Za-z_][A-Za-z0-9_.-]{0,31}$/,
  says: 'is a user name',
}
const ONE_JUMP = String.raw`([A-Za-z_][A-Za-z0-9_.-]{0,31}@)?(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9][A-Za-z0-9.-]*)(:\d{1,5})?`
export const SSH_JUMP: WordRule = {
  type: 'text',
  pattern: new RegExp(`^${ONE_JUMP}(,${ONE_JUMP}){0,7}$`),
  says: 'has the form user@host:port, several with commas between',
}
const VARIABLE: WordRule = {
  type: 'text',
  pattern: /^[A-Za-z_][A-Za-z0-9_]*$/,
  says: 'is the name of an environment variable',
}

/** What follows from elsewhere in the file, by the option's name, and from where. */
const DERIVED: Readonly<Record<string, string>> = {
  home_domain: 'domain says it',
  local_ip: 'the address of the node says it',
  public_ip: 'public_address of the node says it',
  public_hostname: 'public_hostname of the node itself says it',
  local_site_name: 'site of the node says it',
  remote_site_name: 'sites say it',
  etcd_cluster: 'cw chooses the members',
}

const ssh = record(
  {},
  {
    user: word(SSH_USER, 'Who logs in. Needs sudo without a password, unless it is root. Default: root.'),
    port: word({ type: 'port' }, 'Default: 22.'),
    identity_file: word(
      { type: 'text' },
      'Private key; a path relative to this file. Default: the SSH agent.',
    ),
    jump: word(
      SSH_JUMP,
      'Host to go through, as user@host:port; several, the nearest to you first, with commas between.',
    ),
    known_hosts: word({ type: 'text' }, 'File with host keys. Default: ~/.ssh/known_hosts.'),
  },
  'How hosts are reached over SSH.',
)

const dns = record(
  { server: word({ type: 'ip' }, 'IP address of the name server that takes updates (RFC 2136).') },
  {
    port: word({ type: 'port' }, 'Default: 53.'),
    zone: word({ type: 'domain' }, 'The zone that it lets us update. Default: domain.'),
    key_file: word(
      { type: 'text' },
      'TSIG key, as tsig-keygen writes it; a path relative to this file. Default: none.',
    ),
    ttl: word(
      { type: 'integer', min: 5, max: 86_400 },
      'How long others may keep a record, in seconds. Default: 300.',
    ),
  },
  'Where the records of the deployment are sent.',
)

const node = record(
  {
    name: word(LABEL, 'Name of the node; with the domain its host name.'),
    address: word({ type: 'ip' }, 'IP address for SSH and for signalling between nodes.'),
  },
  {
    public_address: word({ type: 'ip' }, 'IP address at which clients outside reach it. Default: address.'),
    public_hostname: word({ type: 'host' }, 'Name that means this node only. Default: NAME.DOMAIN.'),
    site: word({ type: 'name' }, 'Default: the first of sites.'),
    roles: list(
      word({ type: 'choice', choices: ROLES }, 'A role.'),
      'a role',
      'What it does. Without roles it is a spare.',
    ),
    ssh,
    local: options('local', 'Further options of its local_config.'),
    user: options('user', 'Options of its user_settings; these win over user_settings above.'),
  },
  'A host of the deployment.',
)

const secret = record(
  {},
  {
    env: word(VARIABLE, 'Environment variable of the operator that holds the value.'),
    file: word({ type: 'text' }, 'File that holds the value; a path relative to this file.'),
  },
  'Where the value of a secret is.',
)

/** The deployment file, `cw.yaml`. */
export const DEPLOYMENT_SHAPE = record(
  {
    name: word(LABEL, 'Name of the deployment.'),
    domain: word({ type: 'domain' }, 'The home domain: what subscribers have after the @.'),
    nodes: list(node, 'a node', 'The hosts, spares included.'),
  },
  {
    sites: list(
      word({ type: 'name' }, 'A site.'),
      'a site',
      'Places that fail apart from each other. Default: site1.',
    ),
    ssh,
    dns,
    settings: options('shared', 'Options of shared_config, the same on all nodes.'),
    user_settings: options('user', 'Options of user_settings, on every node.'),
    secrets: dictionary(
      (key, tell) => {
        const option = findOption(key.text)
        if (option?.secret === true) return secret
        const wrong = option === undefined ? validateName(key.text, 'shared') : undefined
        const { message = `${key.text} is no secret: it belongs under settings`, ...more } = wrong ?? {}
        tell(key.at, message, { ...more, key: key.text })
        return undefined
      },
      {
        description: 'Where the values of secret options are.',
        type: 'object',
        properties: Object.fromEntries(
          [...OPTIONS.values()]
            .filter(each => each.secret === true)
            .map(each => [each.name, { ...secret.schema, description: each.doc }]),
        ),
        additionalProperties: false,
      },
    ),
  },
  'the deployment file',
)

/** For editors, as draft 2020-12. */
export function deploymentJsonSchema(): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Clearwater deployment (cw.yaml)',
    ...DEPLOYMENT_SHAPE.schema,
    description:
      'Read by cw; "cw config check" validates it, "cw config explain NAME" tells about an option.',
  }
}

/** Options of one of a node's files, by their names. */
function options(scope: Scope, description: string): Shape<ReadonlyMap<string, Word>> {
  const allowed = [...OPTIONS.values()].filter(option => isSettable(option, scope))
  return dictionary(
    (key, tell) => {
      const misplaced = validateName(key.text, scope)
      if (misplaced !== undefined) {
        const { message, ...more } = misplaced
        tell(key.at, message, { ...more, severity: 'error' })
        return undefined
      }
      const option = findOption(key.text)
      const derived = DERIVED[key.text]
      if (option === undefined) return undefined
      if (derived !== undefined) tell(key.at, `${key.text} is not set here: ${derived}`, { key: key.text })
      else if (option.secret === true) {
        tell(key.at, `${key.text} is a secret: name where its value is, under secrets`, { key: key.text })
      } else return word(option, option.doc)
      return undefined
    },
    {
      description,
      type: 'object',
      properties: Object.fromEntries(
        allowed.map(option => [
          option.name,
          {
            description: option.doc,
            ...schemaOf(option),
            ...(option.default === undefined ? {} : { default: option.default }),
          },
        ]),
      ),
      additionalProperties: false,
    },
  )
}

function isSettable(option: Option, scope: Scope): boolean {
  return (
    scopesOf(option).includes(scope) &&
    option.retired === undefined &&
    option.secret !== true &&
    !Object.hasOwn(DERIVED, option.name)
  )
}
