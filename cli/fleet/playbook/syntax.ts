import { CwError } from '../../../lib/kit/errors.ts'

/**
 * How a value is written in each kind of file, so that it is a value there and nothing else. A template names its kind
 * before `.eta`: `db.zone.eta` is a zone file.
 *
 * Where a syntax has quotes, any value can be written; where it has none, one that would be more than a word is refused.
 */
export const SYNTAXES = {
  /** A file that a shell sources. */
  shell: value => `'${refusing(value, /\0/, 'a NUL').replaceAll("'", String.raw`'\''`)}'`,
  /** systemd EnvironmentFile: inside double quotes, backslash escapes (systemd.exec(5)). */
  env: value => `"${oneLine(value).replaceAll(/["\\$`]/g, String.raw`\$&`)}"`,
  /** A word in a systemd unit: no specifiers, no quoting, no continuation (systemd.syntax(7)). */
  service: value => word(value, /^[\w./:@,+=~-]+$/),
  /** /etc/hosts, dnsmasq: addresses and names. */
  hosts: value => word(value, /^[\w.:-]+$/),
  dnsmasq: value => word(value, /^[\w.:/-]+$/),
  /** nftables: addresses, numbers, names of interfaces. */
  nft: value => word(value, /^[\w.:/-]+$/),
  /** A zone file: names and addresses; nothing with a blank, a quote, `;`, `(` or `$` (RFC 1035 §5.1). */
  zone: value => word(value, /^[\w.:*-]+$|^@$/),
  /** key = value files without quotes: memcached, chronos, logrotate. */
  plain: value => word(value, /^[\w./:@,+-]+$/),
  json: value => JSON.stringify(value),
  /** A string of JSON is one of YAML. */
  yaml: value => JSON.stringify(value),
} as const satisfies Record<string, (value: string) => string>

export type Syntax = keyof typeof SYNTAXES

export function isSyntax(name: string): name is Syntax {
  return Object.hasOwn(SYNTAXES, name)
}

function word(value: string, allowed: RegExp): string {
  // `$` of a RegExp also matches before a newline's end of text only with the m flag; still, told apart explicitly.
  if (allowed.test(value) && !value.includes('\n')) return value
  throw refusal(value, 'characters that have a meaning of their own there')
}

function oneLine(value: string): string {
  return refusing(value, /[\0\n\r]/, 'a line end')
}

function refusing(value: string, what: RegExp, name: string): string {
  if (what.test(value)) throw refusal(value, name)
  return value
}

function refusal(value: string, what: string): CwError {
  return new CwError('OPTION_INVALID', `the value ${JSON.stringify(value)} cannot be written into a file`, {
    why: `it holds ${what}`,
    changed: 'nothing',
    remedies: ['mend the value in the deployment file'],
  })
}
