import { endOfQuoted, endWithoutLws, skipLws, trimLws } from './scan.ts'

/*
 * Header values that are comma-separated lists. Only for headers defined as such: a comma in a Date, Subject,
 * Authorization or an unknown header separates nothing.
 */

/** The elements, without white space around them; empty ones kept, but an empty value has none. */
export function splitList(value: string): string[] {
  const elements: string[] = []
  let from = 0
  for (let comma = nextComma(value, 0); comma !== -1; comma = nextComma(value, from)) {
    elements.push(element(value, from, comma))
    from = comma + 1
  }
  const last = element(value, from, value.length)
  if (last !== '' || elements.length > 0) elements.push(last)
  return elements
}

/** The first element; the value itself when it is the only one. */
export function topOfList(value: string): string {
  const comma = nextComma(value, 0)
  return comma === -1 ? trimLws(value) : element(value, 0, comma)
}

/** What follows the first element and its comma; '' when there is one element only. */
export function restOfList(value: string): string {
  const comma = nextComma(value, 0)
  return comma === -1 ? '' : element(value, comma + 1, value.length)
}

function element(value: string, from: number, end: number): string {
  const start = skipLws(value, from)
  return value.slice(start, endWithoutLws(value, start, end))
}

/** The next comma outside quotes and `<>`, or -1. What is opened and not closed reaches to the end. */
function nextComma(value: string, from: number): number {
  if (value.indexOf(',', from) === -1) return -1
  for (let i = from; i < value.length; i++) {
    switch (value.charCodeAt(i)) {
      case 0x2c:
        return i
      case 0x22:
        i = endOfQuoted(value, i) - 1
        if (i < 0) return -1
        break
      case 0x3c:
        i = value.indexOf('>', i)
        if (i < 0) return -1
        break
    }
  }
  return -1
}
