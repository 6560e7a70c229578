import {
  endOfQuoted,
  endWithoutLws,
  equalsIgnoreCase,
  isToken,
  PARAM_VALUE,
  quote,
  skipClass,
  skipLws,
  TOKEN,
} from './scan.ts'

/*
 * Header parameters (`;name=value;flag;name="quoted"`) as raw text. They are scanned where they stand: most are
 * asked for once, or never.
 */

/** One parameter; a flag has the value ''. Quotes of a quoted value are kept (`unquote` takes them off). */
export interface Param {
  readonly name: string
  readonly value: string
}

/**
 * Whether the text from `at` to its end is a well-formed sequence of parameters, each with its `;`, or nothing
 * but white space (RFC 3261 §25.1 generic-param).
 */
export function areParams(text: string, at = 0): boolean {
  at = skipLws(text, at)
  while (at < text.length) {
    if (text.charCodeAt(at) !== 0x3b) return false
    const name = skipLws(text, at + 1)
    at = skipClass(TOKEN, text, name)
    if (at === name) return false
    at = skipLws(text, at)
    if (text.charCodeAt(at) !== 0x3d) continue
    const value = skipLws(text, at + 1)
    at = text.charCodeAt(value) === 0x22 ? endOfQuoted(text, value) : skipClass(PARAM_VALUE, text, value)
    if (at <= value) return false
    at = skipLws(text, at)
  }
  return true
}

/**
 * The value of a parameter as written (quotes kept), '' for a flag, undefined if it is absent.
 *
 * Names compare without case. Looks from the first `;` of the text up to the first comma outside quotes, so it
 * may be given a whole Via value (its parameters are those of the topmost), but not one with `<>`.
 */
export function param(text: string, name: string): string | undefined {
  const semicolon = find(text, name)
  return semicolon === -1 ? undefined : valueAt(text, semicolon)
}

/** The text with the parameter set to `value`, in its old place or at the end; without a value it is a flag. */
export function withParam(text: string, name: string, value?: string): string {
  const written = value === undefined || value === '' ? `;${name}` : `;${name}=${value}`
  const semicolon = find(text, name)
  if (semicolon === -1) return text + written
  return text.slice(0, semicolon) + written + text.slice(endOfParam(text, semicolon + 1))
}

/** The text without any parameter of that name. */
export function withoutParam(text: string, name: string): string {
  let kept = ''
  let from = 0
  for (let at = find(text, name); at !== -1; at = find(text, name, from)) {
    kept += text.slice(from, at)
    from = endOfParam(text, at + 1)
  }
  return from === 0 ? text : kept + text.slice(from)
}

/** The parameters of a well-formed text in their order; undefined if it is not well-formed. */
export function parseParams(text: string): readonly Param[] | undefined {
  if (!areParams(text)) return undefined
  const params: Param[] = []
  let semicolon = text.indexOf(';')
  while (semicolon !== -1 && semicolon < text.length) {
    const name = skipLws(text, semicolon + 1)
    params.push({ name: text.slice(name, skipClass(TOKEN, text, name)), value: valueAt(text, semicolon) })
    semicolon = endOfParam(text, semicolon + 1)
  }
  return params
}

/** The text of parameters. */
export function formatParams(params: readonly Param[]): string {
  let text = ''
  for (const { name, value } of params) text += value === '' ? `;${name}` : `;${name}=${value}`
  return text
}

/** A parameter's value as it may be written: a token as it is, anything else quoted. */
export function paramValue(text: string): string {
  return isToken(text) ? text : quote(text)
}

/** Where the semicolon of the first such parameter from `at` on is, or -1. */
function find(text: string, name: string, at = 0): number {
  let semicolon = endOfParam(text, at)
  while (text.charCodeAt(semicolon) === 0x3b) {
    const from = skipLws(text, semicolon + 1)
    if (equalsIgnoreCase(text, from, skipClass(TOKEN, text, from), name)) return semicolon
    semicolon = endOfParam(text, from)
  }
  return -1
}

/** The position of the next `;` or `,` outside quotes, or the text's end. */
function endOfParam(text: string, at: number): number {
  for (let i = at; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x3b || code === 0x2c) return i
    if (code === 0x22) {
      const end = endOfQuoted(text, i)
      if (end === -1) return text.length
      i = end - 1
    }
  }
  return text.length
}

function valueAt(text: string, semicolon: number): string {
  const name = skipLws(text, semicolon + 1)
  const equals = skipLws(text, skipClass(TOKEN, text, name))
  if (text.charCodeAt(equals) !== 0x3d) return ''
  const value = skipLws(text, equals + 1)
  return text.slice(value, endWithoutLws(text, value, endOfParam(text, value)))
}
