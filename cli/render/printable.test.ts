import { expect, test } from 'vitest'
import { printable, printableScreen } from './printable.ts'

test('control characters are dots; lines and tabs stay', () => {
  expect(printable('a\u001b[2Jb\r\u009bc\n\td')).toBe('a·[2Jb··c\n\td')
})

test('a screen keeps its colours and nothing else', () => {
  expect(printableScreen('\u001b[31mred\u001b[39m \u001b]0;title\u0007\u001b[2J')).toBe(
    '\u001b[31mred\u001b[39m ·]0;title··[2J',
  )
})
