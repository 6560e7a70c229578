import { escapeXml } from '../xml.ts'

/** Somebody in a call list. */
export interface Party {
  readonly uri: string
  /** As it was displayed; absent if no name was given. */
  readonly name?: string
}

/** What is known of a call once it has its final answer. */
export interface AnsweredCall {
  readonly to: Party
  readonly from: Party
  /** Made by the user whose list it is. */
  readonly outgoing: boolean
  /** Unix time in milliseconds. */
  readonly startedAt: number
  readonly answer:
    { readonly answered: false } | { readonly answered: true; readonly at: number; readonly by?: Party }
}

/** The children of `<call>` that are known with the final answer: fragment `begin` or `rejected`. */
export function formatAnswer(call: AnsweredCall): string {
  const { to, from, outgoing, startedAt, answer } = call
  const start =
    `${party('to', to)}${party('from', from)}<outgoing>${outgoing ? 1 : 0}</outgoing>` +
    `<start-time>${localTime(startedAt)}</start-time><answered>${answer.answered ? 1 : 0}</answered>`
  if (!answer.answered) return start
  const by = answer.by === undefined ? '' : party('answerer', answer.by)
  return `${start}<answer-time>${localTime(answer.at)}</answer-time>${by}`
}

/** The child of `<call>` that is known at its end: fragment `end`. */
export function formatEnd(at: number): string {
  return `<end-time>${localTime(at)}</end-time>`
}

/** Local time of this machine without a zone, `YYYY-MM-DDThh:mm:ss`, as the document has it. */
export function localTime(unixMs: number): string {
  const date = new Date(unixMs)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
  return `${day}T${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** The same without marks, `YYYYMMDDhhmmss`: the timestamp of a fragment. */
export function fragmentTimestamp(unixMs: number): string {
  return localTime(unixMs).replace(/\D/g, '')
}

function party(element: string, { uri, name }: Party): string {
  const display = name === undefined || name === '' ? '' : `<name>${xmlText(name)}</name>`
  return `<${element}><URI>${xmlText(uri)}</URI>${display}</${element}>`
}

/** A message's octets are UTF-8 where they are that, else latin1; what XML 1.0 cannot carry becomes a space. */
function xmlText(latin1: string): string {
  const octets = Buffer.from(latin1, 'latin1')
  const decoded = octets.toString('utf8')
  const text = decoded.includes('\uFFFD') ? latin1 : decoded
  return escapeXml(text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, ' '))
}
