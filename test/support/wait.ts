/** How long a test waits for something to become true unless it says otherwise, in milliseconds. */
export const PATIENCE_MS = 15_000

/**
 * Waits until `condition` gives something other than `undefined` or `false`, and returns it.
 *
 * The condition is asked again every 10 ms; what it throws counts as "not yet" and is told if time runs out.
 *
 * @param what what is waited for, as it should stand in the failure: "the ready line of cw up"
 */
export async function waitUntil<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const deadline = performance.now() + patienceMs
  let lastError: unknown
  do {
    try {
      const value = await condition()
      if (value !== undefined && value !== false) return value
      lastError = undefined
    } catch (error) {
      lastError = error
    }
    await pause(10)
  } while (performance.now() < deadline)
  throw new Error(`waited ${patienceMs} ms in vain for ${what}`, { cause: lastError })
}

/** Fails with a sentence when `promise` takes longer than `patienceMs`. */
export async function within<T>(what: string, promise: Promise<T>, patienceMs = PATIENCE_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`waited ${patienceMs} ms in vain for ${what}`))
    }, patienceMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, milliseconds))
}
