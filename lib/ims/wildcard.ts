import { LRUCache } from 'lru-cache'
import { compilePattern, Effort, type Pattern } from './ifc/pattern.ts'

interface Wildcard {
  readonly prefix: string
  readonly pattern: Pattern
  readonly suffix: string
}

/** Operators have few of them, and each is asked about for many identities. */
const compiled = new LRUCache<string, { readonly wildcard: Wildcard | undefined }>({ max: 1000 })

/**
 * Whether an identity is one of those that a wildcard stands for (TS 23.003 §13.4A, §13.5): `prefix!regex!suffix`, of
 * which the regular expression has to match all that is between. One that cannot be used stands for nobody.
 */
export function matchesWildcard(text: string, impu: string): boolean {
  let known = compiled.get(text)
  if (known === undefined) {
    known = { wildcard: wildcardOf(text) }
    compiled.set(text, known)
  }
  const { wildcard } = known
  if (wildcard === undefined) return false
  const { prefix, pattern, suffix } = wildcard
  if (impu.length < prefix.length + suffix.length || !impu.startsWith(prefix) || !impu.endsWith(suffix))
    return false
  return pattern.found(impu.slice(prefix.length, impu.length - suffix.length), new Effort())
}

function wildcardOf(text: string): Wildcard | undefined {
  const [from, to] = [text.indexOf('!'), text.lastIndexOf('!')]
  if (from === to) return undefined
  const pattern = compilePattern(`^(?:${text.slice(from + 1, to)})$`)
  const suffix = text.slice(to + 1)
  // A host compares without case, and identities have it in lower case.
  const [user, host] = [suffix.slice(0, suffix.indexOf('@') + 1), suffix.slice(suffix.indexOf('@') + 1)]
  return pattern === undefined
    ? undefined
    : { prefix: text.slice(0, from), pattern, suffix: user + host.toLowerCase() }
}
