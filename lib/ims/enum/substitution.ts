import { LRUCache } from 'lru-cache'
import { RE2JS } from 're2js'

/** A substitution of DDDS (RFC 3402 §3.2): the text with what it has found replaced; undefined if it finds nothing. */
export type Substitution = (text: string) => string | undefined

const MOST_LENGTH = 500
const MOST_PROGRAM = 1000
const known = new LRUCache<string, { readonly substitution: Substitution | undefined }>({ max: 2000 })

/**
 * Reads `!pattern!replacement!` or `!pattern!replacement!i`, with any delimiter. It comes from DNS servers, so the engine
 * is one whose time is linear in the text.
 *
 * @returns undefined for what is no substitution or has no usable pattern
 */
export function parseSubstitution(written: string): Substitution | undefined {
  let found = known.get(written)
  if (found === undefined) {
    found = { substitution: compile(written) }
    known.set(written, found)
  }
  return found.substitution
}

function compile(written: string): Substitution | undefined {
  const delimiter = written.charAt(0)
  const [first, pattern, replacement, flags, ...more] = written.split(delimiter)
  if (written.length > MOST_LENGTH || delimiter === '' || first !== '' || more.length > 0) return undefined
  if (pattern === undefined || replacement === undefined || (flags !== '' && flags !== 'i')) return undefined
  try {
    const compiled = RE2JS.compile(pattern, flags === 'i' ? RE2JS.CASE_INSENSITIVE : 0)
    if (compiled.programSize() > MOST_PROGRAM) return undefined
    return text => {
      const match = compiled.matcher(text)
      if (!match.find()) return undefined
      const filled = replacement.replace(/\\(.)/g, (whole, digit: string) =>
        /[1-9]/.test(digit) ? groupOf(match, Number(digit)) : whole === '\\\\' ? '\\' : digit,
      )
      return text.slice(0, match.start()) + filled + text.slice(match.end())
    }
  } catch {
    // Its exceptions say what is wrong with the pattern, and nothing else throws there.
    return undefined
  }
}

function groupOf(match: ReturnType<RE2JS['matcher']>, number: number): string {
  return number <= match.groupCount() ? (match.group(number) ?? '') : ''
}
