import { CwError } from '../../../lib/kit/errors.ts'

export interface EachOptions {
  /** How many items are worked on at the same time. */
  readonly atOnce: number
  /** After a failure go on with the next item; else start nothing new. */
  readonly keepGoing: boolean
  /** When aborted, what has begun is finished and nothing new is started. */
  readonly signal: AbortSignal
  /** Called with the number of items done so far. */
  readonly onProgress: (done: number) => void
}

export type Done<I, R> =
  | { readonly item: I; readonly ok: true; readonly value: R }
  | { readonly item: I; readonly ok: false; readonly error: CwError }

/**
 * Works on items a few at a time and gives the outcomes in the items' order, without those that were not begun. An
 * exception other than CwError is a bug and comes out as it is.
 */
export async function forEachOf<I, R>(
  items: Iterable<I>,
  work: (item: I) => Promise<R>,
  { atOnce, keepGoing, signal, onProgress }: EachOptions,
): Promise<readonly Done<I, R>[]> {
  const outcomes: Done<I, R>[] = []
  const iterator = items[Symbol.iterator]()
  let next = 0
  let done = 0
  let failed = false

  const worker = async (): Promise<void> => {
    while (!signal.aborted && (keepGoing || !failed)) {
      const step: IteratorResult<I, unknown> = iterator.next()
      if (step.done === true) return
      const item = step.value
      const index = next++
      try {
        outcomes[index] = { item, ok: true, value: await work(item) }
      } catch (error) {
        failed = true
        if (!(error instanceof CwError)) throw error
        outcomes[index] = { item, ok: false, error }
        // What cannot be reached now will not be for the next thousand items.
        if (error.code === 'SERVICE_UNREACHABLE') return
      }
      onProgress(++done)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return outcomes
}
