import { vi } from 'vitest'
import { runCw } from '../run.ts'

/** The three outputs of a command. */
export interface CwRun {
  readonly exit: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a `cw` command line in this process, without a terminal and without the tester's own settings. */
export async function cw(...argv: readonly string[]): Promise<CwRun> {
  const out: string[] = []
  const err: string[] = []
  const into =
    (list: string[]) =>
    (chunk: unknown): boolean => {
      list.push(String(chunk))
      return true
    }
  const spies = [
    vi.spyOn(process.stdout, 'write').mockImplementation(into(out)),
    vi.spyOn(process.stderr, 'write').mockImplementation(into(err)),
  ]
  for (const name of ['CLEARWATER_DOMAIN', 'CLEARWATER_HSPROV', 'CLEARWATER_PORT_OFFSET', 'FORCE_COLOR']) {
    vi.stubEnv(name, undefined)
  }
  const exitBefore = process.exitCode
  try {
    const exit = await runCw(argv)
    return { exit, stdout: out.join(''), stderr: err.join('') }
  } finally {
    process.exitCode = exitBefore
    for (const spy of spies) spy.mockRestore()
    vi.unstubAllEnvs()
  }
}
