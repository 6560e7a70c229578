import type { Deployment, DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import { etcdVoters } from '../../../lib/config/deployment/voters.ts'
import type { EtcdClient } from '../../../lib/etcd/client.ts'
import { configurationKey } from '../../../lib/etcd/layout.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import type { DrainLimits, EtcdView, ReleaseArtifact } from '../../fleet/actions/action.ts'
import type { Authority } from '../../fleet/certificates/authority.ts'
import { connectEtcd } from '../../fleet/etcd.ts'
import { Fleet, forEach, type FleetOptions, type Unreachable } from '../../fleet/fleet.ts'
import { planOperation, probesOf, requireOwn, type Observed, type Planned } from '../../fleet/plan.ts'
import { diffsOf, textsNeeded, type FileDiff, type Secrets } from '../../fleet/plan-diff.ts'
import { observe } from '../../fleet/playbook/facts.ts'
import { emptyManifest, MANIFEST_PATH, parseManifest } from '../../fleet/playbook/manifest.ts'
import type { Playbook } from '../../fleet/playbook/playbook.ts'
import { renderTemplate } from '../../fleet/playbook/template.ts'
import { templateValues, type TemplateValues } from '../../fleet/playbook/values.ts'
import type { NodeShell } from '../../fleet/ssh/shell.ts'
import { AUTHORITY_PROBES, authorityOf } from './authority.ts'
import { ETCD_PROBES, etcdViewOf } from './etcd-view.ts'

/** The nodes as a test has them, in place of a fleet over SSH. */
export interface OpenedNodes {
  readonly reached: readonly NodeShell[]
  readonly unreachable: readonly Unreachable[]
  close(): Promise<void>
}

export interface SessionOptions {
  readonly deployment: Deployment
  readonly playbook: Playbook
  /** Names of the nodes to change; absent: all of them. */
  readonly only: readonly string[] | undefined
  readonly release: ReleaseArtifact | undefined
  readonly overwriteDrift: boolean
  readonly drain?: DrainLimits | undefined
  /** Values of secret options by name. */
  readonly secrets: () => Promise<ReadonlyMap<string, string>>
  readonly secretNames: readonly string[]
  readonly fleet: FleetOptions
  readonly signal: AbortSignal
  readonly open?: (nodes: readonly DeploymentNode[]) => Promise<OpenedNodes>
}

/** An operation's connections to its nodes, and what it sees there. */
export class Session implements AsyncDisposable {
  readonly voters: readonly DeploymentNode[]
  readonly #shells: Map<string, NodeShell>
  readonly #unreachable: Unreachable[]
  readonly #options: SessionOptions
  readonly #nodes: OpenedNodes
  #etcd: Promise<EtcdClient> | undefined

  private constructor(options: SessionOptions, nodes: OpenedNodes) {
    this.#options = options
    this.#nodes = nodes
    this.voters = etcdVoters(options.deployment)
    this.#shells = new Map(nodes.reached.map(shell => [shell.node, shell]))
    this.#unreachable = [...nodes.unreachable]
  }

  /** @throws NODE_UNREACHABLE if no node that is to be changed can be reached */
  static async open(options: SessionOptions): Promise<Session> {
    const { deployment, only, open = overSsh(options) } = options
    const voters = new Set(etcdVoters(deployment).map(node => node.name))
    const concerned = deployment.nodes.filter(
      node => only === undefined || only.includes(node.name) || voters.has(node.name),
    )
    const session = new Session(options, await open(concerned))
    if (session.meant.some(node => session.shells.has(node.name))) return session
    await session[Symbol.asyncDispose]()
    throw noneReached(session.unreachable)
  }

  /** Nodes that answer. */
  get shells(): ReadonlyMap<string, NodeShell> {
    return this.#shells
  }

  /** Nodes that could not be logged in to, or not be looked at. */
  get unreachable(): readonly Unreachable[] {
    return this.#unreachable
  }

  /** Nodes that are to be changed, reached or not. */
  get meant(): readonly DeploymentNode[] {
    const { deployment, only } = this.#options
    return deployment.nodes.filter(node => only === undefined || only.includes(node.name))
  }

  /** Shells to hold the operation's lock with: voters, as long as one of them is there. */
  get lockShells(): readonly NodeShell[] {
    const voters = this.voters.flatMap(node => this.shells.get(node.name) ?? [])
    return voters.length > 0 ? voters : [...this.shells.values()]
  }

  /** Looks at all nodes and says what is to be done. */
  async plan(): Promise<{
    readonly planned: Planned
    readonly observed: readonly Observed[]
    readonly etcd: EtcdView
    readonly authority: Authority | undefined
  }> {
    const { deployment, playbook, release, overwriteDrift, drain } = this.#options
    const seen = await this.#observe()
    requireOwn(deployment.name, seen)
    const etcd = await etcdViewOf(seen, this.voters, deployment.sites, () => this.etcd())
    const authority = this.#authority(seen)
    const values = await this.#values(etcd, authority)
    const observed = seen.filter(({ node }) => this.meant.some(each => each.name === node.name))
    const planned = planOperation({
      ...{ playbook, release, authority, overwriteDrift, drain, observed, etcd },
      deployment: deployment.name,
      sites: deployment.sites,
      voters: this.voters,
      render: (node, template) => renderTemplate(template, values(node.name)),
    })
    return { planned, observed: seen, etcd, authority }
  }

  /** Diffs of what a plan writes; asks the nodes for the files as they are. */
  async diffs(planned: Planned): Promise<readonly FileDiff[]> {
    const texts = new Map<string, string>()
    await Promise.all(
      [...textsNeeded(planned)].map(async ([node, paths]) => {
        const shell = this.shells.get(node)
        if (shell === undefined) return
        const probes = paths.map(subject => ({ ask: 'content' as const, subject }))
        const facts = await observe(shell, probes, this.#options.signal)
        for (const path of paths) texts.set(`${node} ${path}`, facts.content(path) ?? '')
      }),
    )
    return diffsOf(planned, (node, path) => texts.get(`${node} ${path}`), await this.#secrets())
  }

  /** A client of the deployment's etcd by way of a voter. */
  etcd(): Promise<EtcdClient> {
    this.#etcd ??= this.#connectEtcd()
    this.#etcd.catch(() => {
      this.#etcd = undefined
    })
    return this.#etcd
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const etcd = await this.#etcd?.catch(() => undefined)
    await etcd?.close()
    await this.#nodes.close()
  }

  async #observe(): Promise<readonly Observed[]> {
    const { deployment, playbook, release, signal } = this.#options
    const nodes = deployment.nodes.filter(node => this.shells.has(node.name))
    const outcomes = await forEach(
      nodes.flatMap(node => this.shells.get(node.name) ?? []),
      shell => {
        const node = nodes.find(each => each.name === shell.node)
        const probes = node === undefined ? [] : probesOf(playbook, node, this.voters, release)
        return observe(shell, [...probes, ...ETCD_PROBES, ...AUTHORITY_PROBES], signal)
      },
      { signal },
    )
    const seen = outcomes.flatMap((outcome): readonly Observed[] => {
      if (!outcome.ok) {
        this.#shells.delete(outcome.node)
        this.#unreachable.push({ node: outcome.node, error: outcome.error })
        return []
      }
      const node = nodes.find(each => each.name === outcome.node) ?? missing(outcome.node)
      const text = outcome.value.content(MANIFEST_PATH)
      const manifest = text === undefined ? emptyManifest(deployment.name) : parseManifest(text, outcome.node)
      return [{ node, facts: outcome.value, manifest }]
    })
    if (!this.meant.some(node => this.#shells.has(node.name))) throw noneReached(this.#unreachable)
    return seen
  }

  /** Who takes a deployment away needs nobody to vouch for it. */
  #authority(seen: readonly Observed[]): Authority | undefined {
    const { deployment, playbook } = this.#options
    if (playbook.operation !== 'deploy') return undefined
    const unseen = this.voters.some(voter => !seen.some(({ node }) => node.name === voter.name))
    return authorityOf(deployment.name, seen, unseen)
  }

  async #values(etcd: EtcdView, authority: Authority | undefined): Promise<(node: string) => TemplateValues> {
    const { deployment, secrets } = this.#options
    const learned = (site: string): string | undefined =>
      etcd.state === 'healthy' ? etcd.values.get(configurationKey(site, 'shared_config')) : undefined
    const known = deployment.sites.every(site => learned(site) !== undefined)
    // Once all sites have their configuration nobody needs the secrets of the deployment file any more.
    const values = known ? new Map<string, string>() : await secrets()
    const made = new Map<string, TemplateValues>()
    return name => {
      const node = deployment.nodes.find(each => each.name === name) ?? missing(name)
      const own =
        made.get(name) ??
        templateValues({
          ...{ deployment, node, authority: authority ?? missing('authority') },
          ...{ secrets: values, learned: learned(node.site) },
        })
      made.set(name, own)
      return own
    }
  }

  async #secrets(): Promise<Secrets> {
    const values = await this.#options.secrets().catch(() => new Map<string, string>())
    return { names: this.#options.secretNames, values: [...values.values()] }
  }

  async #connectEtcd(): Promise<EtcdClient> {
    const { deployment, fleet } = this.#options
    const voters = this.voters.filter(node => this.shells.has(node.name))
    const [first] = voters
    if (first === undefined) throw noneReached(this.unreachable)
    return connectEtcd(deployment, {
      fleet,
      shellOf: node => this.shells.get(node.name) ?? this.shells.get(first.name) ?? missing(node.name),
    })
  }
}

function overSsh({
  fleet,
  signal,
}: SessionOptions): (nodes: readonly DeploymentNode[]) => Promise<OpenedNodes> {
  return async nodes => {
    const opened = new Fleet(nodes, fleet)
    try {
      return { ...(await opened.open(signal)), close: () => opened.close() }
    } catch (error) {
      await opened.close()
      throw error
    }
  }
}

function noneReached(unreachable: readonly Unreachable[]): CwError {
  const [first] = unreachable
  if (unreachable.length === 1 && first !== undefined) return first.error
  return new CwError(first?.error.code ?? 'NODE_UNREACHABLE', 'none of the nodes can be logged in to', {
    where: { host: unreachable.map(({ node }) => node).join(', ') },
    why: [...new Set(unreachable.map(({ node, error }) => `${node}: ${error.message}`))].join('\n'),
    changed: 'nothing',
    remedies: first?.error.detail.remedies ?? ['look at what is wrong: cw check'],
    cause: first?.error,
  })
}

function missing(node: string): never {
  throw new CwError('BUG', `the deployment has no node ${node}`)
}
