import { expect, test } from 'vitest'
import { parseMoment } from './moment.ts'

const NOW = Date.parse('2016-07-04T12:00:00Z')

test.each([
  ['90s', '2016-07-04T11:58:30.000Z'],
  ['15m', '2016-07-04T11:45:00.000Z'],
  ['1d', '2016-07-03T12:00:00.000Z'],
  ['2016-07-01', '2016-07-01T00:00:00.000Z'],
  ['2016-07-01 08:30', '2016-07-01T08:30:00.000Z'],
  ['2016-07-01T08:30:15.5Z', '2016-07-01T08:30:15.500Z'],
  ['2016-07-01 08:30+02:00', '2016-07-01T06:30:00.000Z'],
])('%s is a moment', (text, moment) => {
  expect(new Date(parseMoment(text, '--since', NOW)).toISOString()).toBe(moment)
})

test.each(['', 'yesterday', '15', '15 m', '2016-13-01', '$(id)'])('%j is none', text => {
  expect(() => parseMoment(text, '--since', NOW)).toThrow('is no time')
})
