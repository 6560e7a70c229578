import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const execute = promisify(execFile)

/** Runs one of the machine's tools to its end and returns what it printed; fails with what it complained about. */
export async function tool(program: string, ...args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await execute(program, [...args], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
    return stdout
  } catch (error) {
    const { stderr = '' } = error as { stderr?: string }
    // The error it came in would repeat all of that.
    throw new Error(`${[program, ...args].join(' ')} failed: ${stderr.trim() || String(error)}`)
  }
}

/** Like {@link tool}, for undoing what may not be there. */
export async function attempt(program: string, ...args: readonly string[]): Promise<void> {
  await tool(program, ...args).catch(() => undefined)
}

/** Runs a stage and says how long it took. */
export async function timed<T>(stage: string, work: () => Promise<T>): Promise<T> {
  const begun = performance.now()
  const result = await work()
  console.log(`lab: ${stage} in ${((performance.now() - begun) / 1000).toFixed(1)} s`)
  return result
}
