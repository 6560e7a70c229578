import type { z } from 'zod'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import type { Member } from '../../../lib/etcd/members.ts'
import type { Authority } from '../certificates/authority.ts'
import type { Facts } from '../playbook/facts.ts'
import type { Manifest } from '../playbook/manifest.ts'
import type { Probe } from '../playbook/probe.ts'
import type { NodeShell } from '../ssh/shell.ts'

/** Our code with the Node runtime, templates and playbooks, as it lies on a node. */
export interface InstalledRelease {
  readonly version: string
  /** As Node names it: `x64`, `arm64`. */
  readonly arch: string
  /** Of the file that it was unpacked from. */
  readonly sha256: string
}

/** A release that nodes are to have, as `cw bundle` packs it into one file. */
export interface ReleaseArtifact extends InstalledRelease {
  /** On this machine. Absent: it lies on the nodes already. */
  readonly file?: string
}

/** What is known of the deployment's etcd. */
export type EtcdView =
  /** No voter was ever started: the cluster is to be founded. */
  | { readonly state: 'none' }
  /** Voters have founded it, but it does not answer yet. */
  | { readonly state: 'founding' }
  | {
      readonly state: 'healthy'
      readonly members: readonly Member[]
      readonly values: ReadonlyMap<string, string>
    }
  /** It served once and has lost its quorum, or every way to it. */
  | { readonly state: 'down'; readonly why: string }
  /** It served once, and so many voters lost their data that the others never are a majority again. */
  | { readonly state: 'lost'; readonly emptied: readonly string[]; readonly left: readonly string[] }

/** What an action knows when it decides what would change on a node. */
export interface Look {
  readonly node: string
  readonly deployment: string
  readonly address: string
  readonly sites: readonly string[]
  readonly facts: Facts
  readonly manifest: Manifest
  readonly etcd: EtcdView
  /** Name and address of each voter: who founds etcd. */
  readonly voters: readonly { readonly name: string; readonly address: string }[]
  /** Whether this node founds the deployment's Cassandra, and whether any node is to have one. */
  readonly cassandra: { readonly founds: boolean; readonly stays: boolean }
  /** Absent where the operation puts no release. */
  readonly release: ReleaseArtifact | undefined
  /** Who vouches for the members and clients of etcd. Absent where the operation issues no certificates. */
  readonly authority: Authority | undefined
  /** The text of a template for this node. */
  readonly render: (template: string) => string
  /** Keeps a text until it is written, and returns its digest. */
  readonly keep: (text: string) => string
  /** What earlier actions want at a path of this node: a digest. */
  readonly wanted: Map<string, string>
  /** Units that run here for roles which the node has no more. */
  readonly retired: readonly string[]
  /** How long who serves is drained, where the operator says so. */
  readonly drain?: DrainLimits
  /** Something else changes in the same step. */
  readonly changing: boolean
}

/** How long one that serves is waited for until it has nobody left, and what then. */
export interface DrainLimits {
  readonly seconds: number
  /** Wait on, stop it all the same, or have it serve again. */
  readonly then: 'wait' | 'drop' | 'abort'
}

/** What is known before a node was looked at. */
export type Asked = Pick<Look, 'address' | 'release'>

/** A file that somebody else has edited or put there, or a unit of somebody else that runs. */
export interface Drift {
  readonly path: string
  readonly kind: 'edited' | 'foreign' | 'running'
}

/** What every change says of itself; the rest is its action's own. All of it is JSON. */
export interface ChangeBase {
  readonly action: string
  /** In human words: "start clearwater-sprout.service". */
  readonly summary: string
  /** The node serves meanwhile no more: such nodes go one after another. */
  readonly alone?: true
  /** Not ours to overwrite, unless the operator says so. */
  readonly drift?: Drift
}

/** What an action may use when it carries a change out. */
export interface Tools {
  readonly shell: NodeShell
  readonly release: ReleaseArtifact | undefined
  readonly authority: Authority | undefined
  readonly signal: AbortSignal
  /** The text with this digest. */
  readonly content: (sha256: string) => string
  readonly etcd: () => Promise<EtcdClient>
  /** How something stands that takes long. */
  readonly tell: (text: string) => void
}

/**
 * A kind of step on a node. It knows what it wants to know, what would change, and how to do it; and doing it twice does
 * no harm, since a run may have been killed between the deed and its record.
 */
export interface Action<P, C extends ChangeBase> {
  readonly schema: z.ZodType<P>
  probes(params: P, node: Asked): readonly Probe[]
  changes(params: P, look: Look): readonly C[]
  carryOut(change: C, tools: Tools): Promise<void>
  /** What the manifest has to say before the deed. */
  announced?(change: C, manifest: Manifest): Manifest
  /** What it says after it. */
  recorded?(change: C, manifest: Manifest): Manifest
}

/** An action as it is written down: keeps the types of its parameters and changes together. */
export function action<P, C extends ChangeBase>(declared: Action<P, C>): Action<P, C> {
  return declared
}
