import { randomBytes } from 'node:crypto'
import type { EmbeddedEnvironment } from './environment.ts'

/** A random text of 256 bits, made at the first call and the same ever after, so that what it signs stays good. */
export async function keptSecret(environment: EmbeddedEnvironment, name: string): Promise<string> {
  const secrets = environment.table<string>('secrets')
  const kept = secrets.get(name)
  if (kept !== undefined) return kept
  const made = randomBytes(32).toString('hex')
  secrets.set(name, made)
  await environment.commit('now')
  return made
}

/** Keeps another one in its place. */
export async function keepSecret(
  environment: EmbeddedEnvironment,
  name: string,
  secret: string,
): Promise<void> {
  environment.table<string>('secrets').set(name, secret)
  await environment.commit('now')
}
