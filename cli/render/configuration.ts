/** A planned change of the shared configuration, as far as it is shown. */
interface PlanView {
  readonly files: readonly {
    readonly site: string
    readonly file: string
    readonly options: readonly OptionView[]
    readonly patch?: string
  }[]
  readonly nodes: readonly {
    readonly node: string
    readonly reload: readonly string[]
    readonly restart: readonly string[]
  }[]
}

interface OptionView {
  readonly name: string
  readonly before?: string
  readonly after?: string
  readonly impact: string
}

/** What would change, then what that does to the nodes. */
export function formatConfigurationPlan({ files, nodes }: PlanView): string {
  const changes = files.flatMap(({ site, file, options, patch }) => [
    `${file} of ${site}:`,
    ...options.map(option => `  ${formatOptionChange(option)}`),
    ...(patch === undefined ? [] : [patch.trimEnd().replaceAll(/^(?=.)/gm, '  ')]),
  ])
  const restarts = nodes.filter(node => node.restart.length > 0)
  const reloads = nodes.filter(node => node.reload.length > 0)
  const impact = [
    ...reloads.map(({ node, reload }) => `  reload  ${node}: ${reload.join(', ')}`),
    ...restarts.map(({ node, restart }) => `  restart ${node}: ${restart.join(', ')}`),
  ]
  if (impact.length === 0) return [...changes, 'no daemon has to be told'].join('\n')
  const sentence =
    restarts.length === 0
      ? `${nodes.length} nodes reload, without an effect on service:`
      : `${restarts.length} nodes restart daemons, one node at a time:`
  return [...changes, sentence, ...impact].join('\n')
}

/** `reg_max_expires: 300 → 600 (reload)`. */
function formatOptionChange({ name, before, after, impact }: OptionView): string {
  return `${name}: ${before ?? 'not set'} → ${after ?? 'not set'} (${impact})`
}

/** One line about how far a node is. */
export function formatNodeState(
  node: string,
  state: { readonly kind: string; readonly behind?: string; readonly why?: string },
): string {
  const words: Readonly<Record<string, string>> = {
    done: 'has it',
    silent: 'says nothing',
    behind: 'does not have it yet',
    waiting: `waits for its restart, behind ${state.behind ?? ''}`,
    restarting: 'restarts',
    failed: `failed: ${state.why ?? ''}`,
  }
  return `${node} ${words[state.kind] ?? state.kind}`
}

interface Differences {
  readonly nodes: readonly {
    readonly node: string
    readonly file?: string
    readonly kind: string
    readonly detail?: string
  }[]
  readonly settings: readonly {
    readonly site: string
    readonly name: string
    readonly etcd?: string
    readonly file?: string
  }[]
}

const NODE_WORDS: Readonly<Record<string, string>> = {
  silent: 'says nothing: it is down, or its config-manager is',
  missing: 'is missing',
  behind: 'is older than in etcd',
  drift: 'was edited by hand on the node',
  refused: 'is refused',
  fault: 'has trouble',
  queued: 'has yet to restart for what it has',
}

/** How one node differs, on a line. */
export function formatNodeDifference({ node, file, kind, detail }: Differences['nodes'][number]): string {
  const told = NODE_WORDS[kind] ?? kind
  return `${node}:${file === undefined ? '' : ` ${file}`} ${told}${detail === undefined ? '' : `: ${detail}`}`
}

/** Where etcd, the nodes and the deployment file differ. */
export function formatConfigurationDifferences({ nodes, settings }: Differences): string {
  const lines = nodes.map(formatNodeDifference)
  const sides = settings.map(
    ({ site, name, etcd, file }) =>
      `${site}: ${name} is ${etcd ?? 'not set'} in etcd, ${file ?? 'not set'} in the deployment file`,
  )
  return [...lines, ...sides].join('\n') || 'no differences'
}

/** The history, a line a change. */
export function formatConfigurationHistory(
  changes: readonly {
    readonly site: string
    readonly number: number
    readonly at: string
    readonly by: string
    readonly what: string
  }[],
): string {
  if (changes.length === 0) return 'nothing was changed yet'
  const width = Math.max(...changes.map(change => change.by.length))
  return changes
    .map(
      ({ site, number, at, by, what }) =>
        `${String(number).padStart(4)}  ${at.slice(0, 19).replace('T', ' ')}  ${by.padEnd(width)}  ${site}  ${what}`,
    )
    .join('\n')
}
