/** Shorter work is over before a bar has been read. */
const LEAST_FOR_A_BAR = 50

export interface Progress {
  update(done: number, total: number): void
  stop(): void
}

/** A bar on standard error, on a terminal and for long work; else nothing. */
export async function openProgress(what: string, enabled: boolean): Promise<Progress> {
  if (!enabled || !process.stderr.isTTY) return { update: () => undefined, stop: () => undefined }
  const { default: cliProgress } = await import('cli-progress')
  const bar = new cliProgress.SingleBar({
    format: `${what} {bar} {value}/{total}  {eta_formatted} left`,
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
  })
  let started = false
  return {
    update: (done, total) => {
      if (total < LEAST_FOR_A_BAR) return
      if (!started) bar.start(total, 0)
      started = true
      bar.update(done)
    },
    stop: () => {
      if (started) bar.stop()
    },
  }
}
