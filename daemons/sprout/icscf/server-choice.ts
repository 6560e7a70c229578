import type { ServerChoice } from '../../../lib/ims/homestead.ts'
import type { ScscfEntry } from '../options.ts'

/**
 * Chooses an S-CSCF of `s-cscf.json` for who has none yet (sip.md §4.3): it has all mandatory capabilities, as many of the
 * optional ones as any, the lowest priority number, and luck according to its weight.
 *
 * @param tried those that have been tried for this request
 * @param random 0 up to 1
 * @returns undefined if none is left, or if nothing is known of what it has to be capable of
 */
export function chooseScscf(
  entries: readonly ScscfEntry[],
  { mandatoryCapabilities: mandatory, optionalCapabilities: optional = [] }: ServerChoice,
  tried: ReadonlySet<string>,
  random: () => number = Math.random,
): string | undefined {
  if (mandatory === undefined) return undefined
  const capable = entries.filter(
    ({ server, capabilities }) =>
      !tried.has(server) && mandatory.every(capability => capabilities.includes(capability)),
  )
  const extras = ({ capabilities }: ScscfEntry): number =>
    optional.filter(capability => capabilities.includes(capability)).length
  const most = Math.max(...capable.map(extras))
  const able = capable.filter(entry => extras(entry) === most)
  const first = Math.min(...able.map(({ priority }) => priority))
  return byWeight(
    able.filter(({ priority }) => priority === first),
    random,
  )
}

function byWeight(entries: readonly ScscfEntry[], random: () => number): string | undefined {
  // Weight 0 is chosen only among its like.
  const total = entries.reduce((sum, { weight }) => sum + weight, 0)
  let left = random() * total
  for (const { server, weight } of entries) {
    left -= weight
    if (left < 0) return server
  }
  return entries.at(-1)?.server
}
