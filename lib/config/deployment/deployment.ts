export const ROLES = ['bono', 'sprout', 'homestead', 'homer', 'ellis', 'ralf', 'memento'] as const

/** What a node does in a deployment. */
export type Role = (typeof ROLES)[number]

/** What a deployment file says, checked and with its defaults filled in. */
export interface Deployment {
  readonly name: string
  /** The home domain. */
  readonly domain: string
  /** At least one. */
  readonly sites: readonly string[]
  /** In the order of the file. A node without a role is a spare. */
  readonly nodes: readonly DeploymentNode[]
  /** Shared options by their names, as far as the file sets them. */
  readonly settings: ReadonlyMap<string, string>
  /** Where the value of each secret option is. */
  readonly secrets: ReadonlyMap<string, SecretReference>
  /** For nodes that say nothing else. */
  readonly ssh: SshSettings
  /** Where records are sent; absent: the operator puts them there. */
  readonly dns?: DnsSettings
  /** The deployment file itself. */
  readonly file: string
}

export interface DeploymentNode {
  readonly name: string
  /** IP address for SSH and for signalling. */
  readonly address: string
  /** IP address at which clients outside reach it. */
  readonly publicAddress: string
  readonly publicHostname: string
  readonly site: string
  readonly roles: readonly Role[]
  /** Its sprout shares registrations with others, in a memcached on each of them. */
  readonly sharesRegistrations: boolean
  /** Its homestead shares subscribers with others, in a Cassandra on each of them. */
  readonly sharesSubscribers: boolean
  readonly ssh: SshSettings
  /** Options of its `local_config` beside those that follow from the above. */
  readonly local: ReadonlyMap<string, string>
  /** Options of its `user_settings`. */
  readonly user: ReadonlyMap<string, string>
}

export interface SshSettings {
  readonly user: string
  readonly port: number
  readonly identityFile?: string
  /** `user@host:port` */
  readonly jump?: string
  readonly knownHosts?: string
}

/** A name server that takes updates (RFC 2136). */
export interface DnsSettings {
  /** IP address. */
  readonly server: string
  readonly port: number
  readonly zone: string
  /** Of the records, in seconds. */
  readonly ttl: number
  /** With the TSIG key (RFC 8945), as BIND writes it; absent: it goes by addresses. */
  readonly keyFile?: string
}

/** A variable of the operator's environment, or a file beside the deployment file. */
export type SecretReference = { readonly env: string } | { readonly file: string }
