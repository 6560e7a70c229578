import { expect, test } from 'vitest'
import { parseLogLine } from './entry.ts'

test('a line of a time that there is not is no log line', () => {
  expect(parseLogLine('a', '1000000 bono {"msg":"x"}')).toMatchObject({ at: '1970-01-01T00:00:01.000Z' })
  expect(parseLogLine('a', '99999999999999999999 bono {"msg":"x"}')).toBeUndefined()
})
