/** An object identifier: its arcs. */
export type Oid = readonly number[]

/** Everything of the original is below this: `memberBody.gb.national.company` 1578918. */
export const CLEARWATER: Oid = [1, 2, 826, 0, 1, 1578918]

/** Less than 0, 0, more than 0: in the order in which a walk meets them. */
export function compareOids(a: Oid, b: Oid): number {
  const shared = Math.min(a.length, b.length)
  for (let at = 0; at < shared; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}
