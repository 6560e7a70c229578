import { describe, expect, test } from 'vitest'
import { contentLengthOf } from './content-length.ts'

const head = (...lines: string[]): string => ['INVITE sip:a@b SIP/2.0', ...lines, '', ''].join('\r\n')

describe('Content-Length of a header part', () => {
  test.each([
    ['plain', head('Content-Length: 12'), 12],
    ['compact', head('l:12'), 12],
    ['in any case, with blanks before the colon', head('cOnTeNt-LENGTH \t : 12 '), 12],
    ['folded', head('Content-Length:', '  12', 'To: x'), 12],
    ['with leading zeros', head('Content-Length: 00012'), 12],
    ['twice the same', head('l: 12', 'To: x', 'Content-Length: 12'), 12],
    ['after a header whose name ends alike', head('X-Content-Length: 7', 'xl: 8', 'l: 12'), 12],
    ['huge, as a number above any limit', head(`l: ${'9'.repeat(400)}`), Infinity],
  ])('%s', (_, text, length) => {
    expect(contentLengthOf(text)).toBe(length)
  })

  test.each([
    ['negative', head('Content-Length: -1')],
    ['signed', head('Content-Length: +1')],
    ['empty', head('Content-Length:', 'To: x')],
    ['a list', head('Content-Length: 1, 1')],
    ['in hexadecimal', head('Content-Length: 0x10')],
    ['two that differ', head('l: 1', 'Content-Length: 2')],
  ])('%s is refused', (_, text) => {
    expect(contentLengthOf(text)).toBe('bad-content-length')
  })

  test('none is told apart from a bad one', () => {
    expect(contentLengthOf(head('To: x'))).toBe('no-content-length')
    expect(contentLengthOf(head('Subject: x', ' Content-Length: 5'))).toBe('no-content-length')
  })
})
