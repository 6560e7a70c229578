/** The file on a node that an option belongs to: `/etc/clearwater/{shared_config,local_config,user_settings}`. */
export type Scope = 'shared' | 'local' | 'user'

/** What a value looks like; `value.ts` has the rule of each. */
export type ValueType =
  | 'text'
  | 'integer'
  | 'number'
  | 'seconds'
  | 'milliseconds'
  | 'microseconds'
  | 'boolean'
  | 'choice'
  | 'port'
  | 'ip'
  | 'ip-list'
  | 'server-list'
  | 'host'
  | 'host-list'
  | 'host-port'
  | 'domain'
  | 'domain-list'
  | 'sip-uri'
  | 'url'
  | 'email'
  | 'diameter-identity'
  | 'path'
  | 'size'
  | 'word'
  | 'name'

/** How far a change reaches: at the next use, at a reload (SIGHUP), by a restart, or only by a new deployment. */
export type Impact = 'live' | 'reload' | 'restart' | 'rebuild'

/** A part of a node that reads options. */
export type Consumer =
  | 'bono'
  | 'sprout'
  | 'homestead'
  | 'homestead-prov'
  | 'homer'
  | 'ellis'
  | 'ralf'
  | 'memento'
  | 'chronos'
  | 'astaire'
  | 'cassandra'
  | 'etcd'
  | 'snmpd'
  | 'coturn'
  | 'config-manager'
  | 'cluster-manager'
  | 'queue-manager'
  | 'log-cleanup'
  | 'sip-stress'

/** What a value must be, beside its text. */
export interface ValueRule {
  readonly type: ValueType
  /** Bounds of a numeric type, both allowed themselves. */
  readonly min?: number
  readonly max?: number
  /** The values of a `choice`, or what a `text` may be instead of free text. */
  readonly choices?: readonly string[]
  /** The most entries of a list. */
  readonly most?: number
}

/** One option of the manual's Configuration Options Reference, or of a chapter beside it. */
export interface Option extends ValueRule {
  readonly name: string
  readonly scope: Scope
  /** Other files it may stand in too. */
  readonly alsoIn?: readonly Scope[]
  /** What it is without a word from the operator, as the file would say it. Absent: unset, or see `derived`. */
  readonly default?: string
  /** In words, where the default follows from something else. */
  readonly derived?: string
  readonly unit?: string
  /** One or two sentences for an operator. */
  readonly doc: string
  readonly usedBy: readonly Consumer[]
  readonly impact: Impact
  /** Where the manual has it. */
  readonly section: string
  /** A deployment does not work without it. `cw` fills most of these in. */
  readonly required?: true
  /** Is never printed, and stands in a deployment file by reference only. */
  readonly secret?: true
  /** Why it has no effect any more and what to use instead. */
  readonly retired?: string
}

type Common = Pick<Option, 'scope' | 'section' | 'impact'>

/** Options that have their file, section and impact in common, unless one says otherwise. */
export function declare(
  common: Common,
  options: readonly (Omit<Option, keyof Common> & Partial<Common>)[],
): readonly Option[] {
  return options.map(option => ({ ...common, ...option }))
}

/** The files that an option may stand in. */
export function scopesOf(option: Option): readonly Scope[] {
  return [option.scope, ...(option.alsoIn ?? [])]
}
