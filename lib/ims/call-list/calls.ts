import type { CallFragment } from '../../store/call-list-store.ts'

/** A call that is over: all that is known of it. */
export interface FinishedCall {
  /** In order; one `rejected`, or a `begin` and an `end`. */
  readonly fragments: readonly CallFragment[]
}

/**
 * The calls that fragments tell of, oldest first. One in progress is not among them, nor one of which a part is missing
 * or too much (interfaces.md §13.3).
 *
 * @param fragments in the store's order
 */
export function finishedCalls(fragments: readonly CallFragment[]): readonly FinishedCall[] {
  const calls: FinishedCall[] = []
  for (let from = 0; from < fragments.length;) {
    let end = from + 1
    while (end < fragments.length && isSameCall(fragments[from], fragments[end])) end++
    const parts = fragments.slice(from, end)
    const kinds = parts.map(({ kind }) => kind).join(' ')
    if (kinds === 'rejected' || kinds === 'begin end') calls.push({ fragments: parts })
    from = end
  }
  return calls
}

/** The document that a client reads. */
export function formatCallList(calls: readonly FinishedCall[]): string {
  const written = calls.map(({ fragments }) => `<call>${fragments.map(({ xml }) => xml).join('')}</call>`)
  return `<call-list><calls>${written.join('')}</calls></call-list>`
}

function isSameCall(a: CallFragment | undefined, b: CallFragment | undefined): boolean {
  return a?.timestamp === b?.timestamp && a?.id === b?.id
}
