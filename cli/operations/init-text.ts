import type { Role } from '../../lib/config/deployment/deployment.ts'

/** A node as `cw init` writes it. */
export interface Host {
  readonly name: string
  readonly address: string
  readonly publicAddress: string | undefined
  readonly roles: readonly Role[]
}

export interface DeploymentText {
  readonly name: string
  readonly domain: string
  readonly sshUser: string
  readonly identityFile: string | undefined
  readonly jump: string | undefined
  readonly hosts: readonly Host[]
}

/** A deployment file with a comment to each part, for somebody who sees one for the first time. */
export function deploymentText({ name, domain, sshUser, identityFile, jump, hosts }: DeploymentText): string {
  return `# A Clearwater deployment. Check it with "cw config check"; "cw config explain NAME" tells about each option.
# Editors complete and check it with the schema: cw config schema > cw.schema.json
# yaml-language-server: $schema=cw.schema.json

name: ${scalar(name)}

# The home domain: what subscribers have after the @. It cannot be changed later.
domain: ${scalar(domain)}

# How hosts are reached. The user needs sudo without a password, unless it is root.
ssh:
  user: ${scalar(sshUser)}
${identityFile === undefined ? '  # identity_file: ~/.ssh/id_ed25519   # default: the SSH agent' : `  identity_file: ${scalar(identityFile)}`}
${jump === undefined ? '  # jump: user@bastion.example.com:22' : `  jump: ${scalar(jump)}`}

# Options of shared_config, the same on all nodes. Host names of the roles follow from the domain.
settings:
  # reg_max_expires: 300
  # additional_home_domains: other.example.com
  # hss_hostname: hss.example.com   # default: subscribers are in the built-in store

# Options of user_settings, on every node.
user_settings:
  log_level: 2

# Secret options never stand here themselves: name a variable of your environment, or a file.
secrets:
  # signup_key: { env: CW_SIGNUP_KEY }
  # ellis_api_key: { file: secrets/ellis_api_key }

# The hosts. public_address is where phones and browsers reach a node, if that is not its address.
# A node may have several roles; one without any is a spare, for scaling and repair.
nodes:
${hosts.map(hostText).join('')}`
}

function hostText({ name, address, publicAddress, roles }: Host): string {
  const lines = [
    `  - name: ${scalar(name)}`,
    `    address: ${scalar(address)}`,
    ...(publicAddress === undefined ? [] : [`    public_address: ${scalar(publicAddress)}`]),
    ...(roles.length === 0 ? [] : [`    roles: [${roles.join(', ')}]`]),
  ]
  return lines.map(line => `${line}\n`).join('')
}

/** A value as YAML takes it for the same text, whatever is in it: JSON's strings are YAML's too. */
function scalar(text: string): string {
  return /^[A-Za-z0-9~/][A-Za-z0-9_./:@-]*$/.test(text) && !text.endsWith(':') ? text : JSON.stringify(text)
}
