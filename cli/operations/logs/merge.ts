import type { LogSource } from './source.ts'

/**
 * The lines of all sources by time. A line is handed on when every source has a later one, or none any more; what a
 * silent node says later comes out of its turn.
 *
 * @param patienceMs a source that says nothing for so long is not waited for
 */
export async function* mergeByTime(
  sources: readonly LogSource[],
  signal: AbortSignal,
  patienceMs: number,
): AsyncGenerator<{ readonly node: string; readonly line: string }> {
  let live = sources
  let quiet: ReadonlySet<LogSource> = new Set()
  while (!signal.aborted) {
    live = live.filter(source => !source.ended)
    if (live.length === 0) return
    const waitedFor = live.filter(source => source.head === undefined && !quiet.has(source))
    if (waitedFor.length > 0) {
      const late = await news(waitedFor, patienceMs, signal)
      quiet = late ? new Set([...quiet, ...waitedFor]) : quiet
      continue
    }
    const first = earliest(live)
    if (first === undefined) {
      await news(live, undefined, signal)
      continue
    }
    quiet = new Set([...quiet].filter(source => source.head === undefined))
    const { line } = first.head ?? {}
    first.take()
    if (line !== undefined) yield { node: first.node, line }
  }
}

function earliest(sources: readonly LogSource[]): LogSource | undefined {
  let found: LogSource | undefined
  for (const source of sources) {
    if (source.head === undefined) continue
    if (found?.head === undefined || source.head.micros < found.head.micros) found = source
  }
  return found
}

/** Waits until one of them has something or ends. True: it took too long. */
function news(
  sources: readonly LogSource[],
  withinMs: number | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  if (sources.some(source => source.head !== undefined || source.ended)) return Promise.resolve(false)
  return new Promise(resolve => {
    const timer = withinMs === undefined ? undefined : setTimeout(done, withinMs, true)
    const onAbort = (): void => {
      done(false)
    }
    function done(late: boolean): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      for (const source of sources) source.onNews(() => undefined)
      resolve(late)
    }
    signal.addEventListener('abort', onAbort)
    for (const source of sources) source.onNews(onAbort)
    if (signal.aborted) done(false)
  })
}
