import { H } from './header-names.ts'
import type { Headers } from './headers.ts'

/** What a sender wants kept private: the values of Privacy, in lower case (RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044). */
export type PrivacyValues = ReadonlySet<string>

/** The values of all Privacy lines. Commas between them are not in the grammar, and are sent all the same. */
export function privacyOf(headers: Headers): PrivacyValues {
  const lines = headers.lines(H.Privacy)
  if (lines.length === 0) return NONE
  return new Set(lines.flatMap(line => line.split(/[;,]/)).flatMap(value => value.trim().toLowerCase() || []))
}

const NONE: PrivacyValues = new Set()

/** The value of a Privacy line. */
export function formatPrivacy(values: PrivacyValues): string {
  return [...values].join('; ')
}
