import { RE2JS } from 're2js'

/** A regular expression of a criterion. */
export interface Pattern {
  /** Whether it is found anywhere in the text. When the effort is used up nothing is found any more. */
  found(text: string, effort: Effort): boolean
}

/** What may be spent on searching for one request: so many characters, times the size of what they are searched for. */
export class Effort {
  /** As much as takes some 50 ms at the very worst; a request with ordinary criteria needs a thousandth. */
  left = 20_000_000
}

const MAX_LENGTH = 1000
/** Instructions of the compiled expression: with the text's length they bound what a search may cost. */
const MAX_PROGRAM = 1000
const MAX_TEXT = 8192

/**
 * Compiles an expression as criteria have them: Perl's language, searched for anywhere.
 *
 * It is the subscriber store's, so it may be meant badly: the engine's time is linear in the text, and expressions that
 * only backtracking can do (look-around, back-references) or that are very large are refused. Of a text only the
 * first 8192 characters are looked at.
 *
 * @returns undefined if it is no expression or is refused
 */
export function compilePattern(
  expression: string,
  options: { ignoreCase?: boolean } = {},
): Pattern | undefined {
  if (expression.length > MAX_LENGTH) return undefined
  try {
    const compiled = RE2JS.compile(expression, options.ignoreCase === true ? RE2JS.CASE_INSENSITIVE : 0)
    const size = compiled.programSize()
    if (size > MAX_PROGRAM) return undefined
    return {
      found: (text, effort) => {
        const searched = text.length > MAX_TEXT ? text.slice(0, MAX_TEXT) : text
        effort.left -= searched.length * size
        return effort.left >= 0 && compiled.test(searched)
      },
    }
  } catch {
    // Its exceptions say what is wrong with the expression, and nothing else throws there.
    return undefined
  }
}
