import { isIP } from 'node:net'
import type { ValueRule, ValueType } from './option.ts'

const LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'
const DOMAIN = new RegExp(`^(?=.{1,253}$)${LABEL}(\\.${LABEL})*$`, 'i')
/** A last label of digits alone is a mistyped address, not a name (RFC 3696 §2). */
const ENDS_IN_DIGITS = /(^|\.)\d+$/
const HOST_PORT = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::(\d{1,5}))?$/i
// Whatever a value is quoted with, characters like these could not be seen by who reads the file.
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]|[\ud800-\udfff]/u
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/
const UNSAFE_WORD = /[\s"'`$\\;&|<>(){}]/

type Check = (text: string, rule: ValueRule) => string | undefined

const CHECKS: Readonly<Record<ValueType, Check>> = {
  text: (text, { choices }) => (choices === undefined ? undefined : choice(text, choices)),
  integer: (text, rule) => integer(text, rule),
  number: (text, rule) =>
    /^-?\d{1,15}(\.\d{1,15})?$/.test(text) ? within(Number(text), rule) : 'is a number',
  seconds: (text, rule) => integer(text, rule),
  milliseconds: (text, rule) => integer(text, rule),
  microseconds: (text, rule) => integer(text, rule),
  boolean: text => (text === 'Y' || text === 'N' ? undefined : 'is Y or N'),
  choice: (text, { choices = [] }) => choice(text, choices),
  port: (text, { min = 1 }) => integer(text, { type: 'port', min, max: 65_535 }),
  ip: text => (isAddress(text) ? undefined : 'is an IPv4 or IPv6 address'),
  'ip-list': (text, rule) => list(text, rule, isAddress, 'IP addresses'),
  'server-list': (text, rule) => list(text, rule, isAddressPort, 'IP addresses, each perhaps with a port,'),
  host: text => (isHost(text) ? undefined : 'is a host name or an IP address'),
  'host-list': (text, rule) => list(text, rule, isHost, 'host names or IP addresses'),
  'host-port': text =>
    isHostPort(text) ? undefined : 'is a host name or an address with a port, like hs.example.com:8888',
  domain: text => (isDomain(text) ? undefined : 'is a domain, like ims.example.com'),
  'domain-list': (text, rule) => list(text, rule, isDomain, 'domains'),
  'sip-uri': text => (isSipUri(text) ? undefined : 'is a SIP URI, like sip:sprout.example.com:5054'),
  url: text => (isHttpUrl(text) ? undefined : 'is an http or https URL'),
  email: text =>
    /^[^\s@"'`$\\;&|<>(){}]+@[^\s@]+$/.test(text) && isHost(text.slice(text.indexOf('@') + 1))
      ? undefined
      : 'is an email address',
  'diameter-identity': text =>
    isDomain(text) ? undefined : 'is a Diameter identity: a fully qualified domain name',
  path: text => (/^\/[^\s"'`$\\;&|<>(){}*?]*$/.test(text) ? undefined : 'is an absolute path'),
  size: text =>
    /^\d{1,15}[kMG]?$|^(100|\d{1,2})%$/.test(text)
      ? undefined
      : 'is a size: bytes, or with k, M, G, or a percentage',
  name: text =>
    NAME.test(text) ? undefined : 'is a name of letters, digits, dots, hyphens and underscores, at most 63',
  word: text =>
    text !== '' && !UNSAFE_WORD.test(text) ? undefined : 'is one word without quotes or shell characters',
}

/** What is wrong with a value, as the end of a sentence that begins with the option's name; undefined if nothing. */
export function checkValue(rule: ValueRule, text: string): string | undefined {
  if (CONTROL.test(text)) return 'may not hold line breaks or control characters'
  return CHECKS[rule.type](text, rule)
}

/** The entries of a list, which commas part. */
export function entriesOf(text: string): readonly string[] {
  return text.split(',').map(entry => entry.trim())
}

export function isDomain(text: string): boolean {
  return DOMAIN.test(text) && !ENDS_IN_DIGITS.test(text)
}

/** A name or an address; an IPv6 address without brackets. */
export function isHost(text: string): boolean {
  return isAddress(text) || isDomain(text)
}

/** A zone (`fe80::1%eth0`) means something on one host only. */
export function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%')
}

export function isSipUri(text: string): boolean {
  const match =
    /^sips?:(?:[^\s@"'`$\\<>(){}|&]+@)?(\[[^\]\s]+\]|[^\s@:;?[\]]+)(?::(\d{1,5}))?((?:;[^\s"'`$\\<>(){}|&]+)*)$/i.exec(
      text,
    )
  if (match === null) return false
  const [, host = '', port] = match
  return isHostPort(port === undefined ? host : `${host}:${port}`)
}

function isHostPort(text: string): boolean {
  const match = HOST_PORT.exec(text)
  if (match === null) return false
  const [, six, name, port] = match
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return false
  return six === undefined ? isHost(name ?? '') : isIP(six) === 6
}

/** `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`. */
function isAddressPort(text: string): boolean {
  if (isAddress(text)) return true
  const host = HOST_PORT.exec(text)
  return isHostPort(text) && isAddress(host?.[1] ?? host?.[2] ?? '')
}

function isHttpUrl(text: string): boolean {
  return (
    !UNSAFE_WORD.test(text.replaceAll('&', '')) &&
    URL.canParse(text) &&
    /^https?:$/.test(new URL(text).protocol)
  )
}

function choice(text: string, choices: readonly string[]): string | undefined {
  return choices.includes(text) ? undefined : `is one of ${choices.join(' ')}`
}

function integer(text: string, rule: ValueRule): string | undefined {
  return /^-?\d{1,15}$/.test(text) ? within(Number(text), rule) : `is a whole number`
}

function within(value: number, { min = 0, max = Number.MAX_SAFE_INTEGER }: ValueRule): string | undefined {
  if (value < min) return `is at least ${min}`
  if (value > max) return `is at most ${max}`
  return undefined
}

function list(
  text: string,
  { most = Infinity }: ValueRule,
  each: (entry: string) => boolean,
  what: string,
): string | undefined {
  const entries = entriesOf(text)
  if (!entries.every(each)) return `is a list of ${what} with commas`
  return entries.length > most ? `has at most ${most} entries` : undefined
}
