/** What comes sooner than this after the first Ctrl-C is the same one, passed on by a wrapper (npm, a shell script). */
const SAME_KEYPRESS_MS = 300

/**
 * Waits for the end of a process that runs until it is told to stop. Listens from now on, so that a signal which comes
 * while the process is still starting is not lost; a second Ctrl-C leaves at once.
 *
 * @param onHangUp what a daemon does at SIGHUP; without it, the end of the terminal is the end of the process
 */
export function stopSignal(onHangUp?: () => void): { readonly received: Promise<NodeJS.Signals> } {
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals>()
  let firstInterrupt: number | undefined
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (signal === 'SIGHUP' && onHangUp !== undefined) return onHangUp()
      resolve(signal)
      if (signal !== 'SIGINT') return
      firstInterrupt ??= performance.now()
      if (performance.now() - firstInterrupt > SAME_KEYPRESS_MS) process.exit(130)
    })
  }
  return { received: promise }
}
