import { hash } from 'node:crypto'
import { CwError } from '../../lib/kit/errors.ts'

/** Who the nodes of a cluster are, by their addresses. */
export interface ChronosView {
  /** This node. */
  readonly local: string
  /** Those that have timers, or are to have: this one may be about to leave them. */
  readonly nodes: readonly string[]
  /** Those that are about to go: they give their timers to the others. */
  readonly leaving: readonly string[]
  /** Nodes of another site's cluster, which has timers of its own; this one has nothing to do with them, whoever sets timers has. */
  readonly otherSite?: readonly string[]
}

/** A name for the view, the same on all nodes that have it. */
export function viewId({ nodes }: ChronosView): string {
  return hash('sha256', nodes.toSorted().join(' ')).slice(0, 16)
}

/** The nodes that have a timer, the one that pops it first; the same on all nodes of a view, and spread over all. */
export function replicasFor(id: string, factor: number, { nodes }: ChronosView): readonly string[] {
  return nodes
    .map(node => ({ node, rank: hash('sha1', `${id} ${node}`) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, factor)
    .map(({ node }) => node)
}

const SECTION = /^\[([a-z]+)\]$/
const REMOTE_SITE = /^remote_site\s*=\s*[\w.-]+=([0-9a-zA-Z.:-]+)$/

/**
 * Reads `chronos_cluster.conf`: in its section `[cluster]` `localhost`, and any number of `node`, `joining` and `leaving`;
 * in `[sites]` any number of `remote_site`, each `name=address`.
 *
 * @throws CwError FILE_INVALID with the line
 */
export function parseChronosCluster(text: string, file: string): ChronosView {
  const found: Record<'localhost' | 'node' | 'joining' | 'leaving', string[]> = {
    localhost: [],
    node: [],
    joining: [],
    leaving: [],
  }
  const fail = (line: number | undefined, why: string): CwError =>
    new CwError('FILE_INVALID', `${file} is no list of chronos nodes`, {
      where: { file, ...(line === undefined ? {} : { line }) },
      why,
      changed: 'nothing',
      remedies: ['write the files of this node again: cw deploy'],
    })
  const otherSite: string[] = []
  let section = ''
  text.split(/\r?\n/).forEach((each, index) => {
    const line = each.trim()
    if (line === '' || line.startsWith('#')) return
    section = SECTION.exec(line)?.[1] ?? section
    if (SECTION.test(line)) return
    const remote = section === 'sites' ? REMOTE_SITE.exec(line)?.[1] : undefined
    if (remote !== undefined) otherSite.push(remote)
    if (section !== 'cluster') return
    const [key = '', value = ''] = line.split('=', 2).map(part => part.trim())
    if (!Object.hasOwn(found, key) || !/^[0-9a-zA-Z.:-]+$/.test(value))
      throw fail(index + 1, `it says ${line}`)
    found[key as keyof typeof found].push(value)
  })
  const [local] = found.localhost
  const nodes = [...new Set([...found.node, ...found.joining])]
  if (local === undefined || nodes.length === 0) throw fail(undefined, 'it names no localhost, or no node')
  return { local, nodes, leaving: found.leaving, ...(otherSite.length === 0 ? {} : { otherSite }) }
}
