const FRAMES = 6

/** The innermost frames of what went wrong: enough to find the place, short enough to paste. */
export function traceOf(error: Error): readonly string[] {
  const origin = error.cause instanceof Error ? error.cause : error
  return (origin.stack ?? '')
    .split('\n')
    .map(line => line.trim())
    .filter(line => line.startsWith('at '))
    .slice(0, FRAMES)
}
