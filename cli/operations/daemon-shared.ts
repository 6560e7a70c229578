import type { BgcfRoute, ScscfEntry } from '../../daemons/sprout/options.ts'
import { formatFault, hasErrors } from '../../lib/config/fault.ts'
import { emptyJsonFile, type JsonFileName } from '../../lib/config/json-files.ts'
import { prioritiesIn, type ResourcePriority } from '../../lib/config/resource-priorities.ts'
import { validateSharedFile } from '../../lib/config/shared-file.ts'
import { emptyXmlFile, type XmlFileName } from '../../lib/config/xml-files.ts'
import type { NumberBlock } from '../../lib/ims/enum/file-enum.ts'
import { parseFallbackSet, parseSharedSets, type CriteriaSets } from '../../lib/ims/ifc/sets.ts'

/** What the files that all nodes of a site share say, beside `shared_config`. */
export interface SharedFiles {
  readonly bgcfRoutes: readonly BgcfRoute[]
  readonly numberBlocks: readonly NumberBlock[]
  readonly scscfs: readonly ScscfEntry[]
  readonly criteriaSets: CriteriaSets
  /** Values of Resource-Priority whose requests are never refused for load. */
  readonly priorities: ReadonlySet<ResourcePriority>
}

export const NO_SHARED_FILES: SharedFiles = {
  bgcfRoutes: [],
  numberBlocks: [],
  scscfs: [],
  criteriaSets: { shared: new Map(), fallback: [] },
  priorities: new Set(),
}

/** Gives the text of a shared file: '' if it is not there, undefined if it cannot be read. */
export type ReadShared = (name: JsonFileName | XmlFileName) => Promise<string | undefined>

/**
 * Reads the shared files.
 *
 * @param before what they said the last time: of a file with faults that goes on to count
 */
export async function readSharedFiles(
  read: ReadShared,
  before: SharedFiles,
  complaints: string[],
): Promise<SharedFiles> {
  const usable = async (name: JsonFileName | XmlFileName, empty: string): Promise<string | undefined> => {
    const written = await read(name)
    if (written === undefined) return undefined
    const text = written === '' ? empty : written
    const faults = validateSharedFile(name, text)
    complaints.push(...faults.map(fault => `${name}: ${formatFault(fault)}`))
    return hasErrors(faults) ? undefined : text
  }
  const list = async <T>(name: JsonFileName, key: string, last: readonly T[]): Promise<readonly T[]> => {
    const text = await usable(name, emptyJsonFile(name))
    // What validation accepts has this shape.
    return text === undefined ? last : ((JSON.parse(text) as Record<string, readonly T[]>)[key] ?? last)
  }
  const blocks = await usable('rph.json', emptyJsonFile('rph.json'))
  const shared = await usable('shared_ifcs.xml', emptyXmlFile('shared_ifcs.xml'))
  const fallback = await usable('fallback_ifcs.xml', emptyXmlFile('fallback_ifcs.xml'))
  const sets = shared === undefined ? undefined : parseSharedSets(shared)
  const set = fallback === undefined ? undefined : parseFallbackSet(fallback)
  return {
    bgcfRoutes: await list('bgcf.json', 'routes', before.bgcfRoutes),
    numberBlocks: await list('enum.json', 'number_blocks', before.numberBlocks),
    scscfs: await list('s-cscf.json', 's-cscfs', before.scscfs),
    criteriaSets: {
      shared: sets?.ok === true ? sets.value : before.criteriaSets.shared,
      fallback: set?.ok === true ? set.value : before.criteriaSets.fallback,
    },
    priorities: blocks === undefined ? before.priorities : prioritiesIn(blocks),
  }
}
