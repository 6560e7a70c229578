import { describe, expect, test } from 'vitest'
import { emptyJsonFile, validateJsonFile, type JsonFileName } from './json-files.ts'

const GOOD: Readonly<Record<JsonFileName, string>> = {
  'bgcf.json': `{"routes": [
    {"name": "trunk", "domain": "10.0.0.1", "route": ["sip:ibcf.ims.test:5058;transport=tcp"]},
    {"name": "ported", "number": "+1650", "route": ["sip:a.ims.test", "sip:[2001:db8::1]:5060"]},
    {"name": "all", "domain": "*", "route": ["sip:b.ims.test;lr"]}]}`,
  'enum.json': `{"number_blocks": [
    {"name": "one", "prefix": "2125550270", "regex": "!(^.*$)!sip:\\\\1@10.147.226.2!"},
    {"name": "rest", "prefix": "", "regex": "!(^.*$)!sip:\\\\1@ims.test!i"}]}`,
  's-cscf.json': `{"s-cscfs": [
    {"server": "sip:scscf1", "priority": 0, "weight": 100, "capabilities": [1]},
    {"server": "sip:scscf2", "priority": 0, "weight": 100, "capabilities": []}]}`,
  'rph.json': `{"priority_blocks": [
    {"priority": 1, "rph_values": ["ets.4", "own.x"]},
    {"priority": 14, "rph_values": ["ets.0", "wps.0"]}]}`,
}

describe.each(Object.entries(GOOD) as [JsonFileName, string][])('%s', (name, good) => {
  test('as the manual shows it is right, and so is an empty one', () => {
    expect(validateJsonFile(name, good)).toEqual([])
    expect(validateJsonFile(name, emptyJsonFile(name))).toEqual([])
  })

  test.each([
    '',
    '[]',
    'null',
    '{}',
    '1',
    '{"routes": {}}',
    good.slice(0, -1),
    good.replace(',', ''),
    '['.repeat(1e5),
  ])('with %.20s is one fault', text => {
    expect(validateJsonFile(name, text)).toMatchObject([{ severity: 'error' }])
  })
})

test.each<[JsonFileName, string, string, string, number, string]>([
  ['bgcf.json', '"10.0.0.1"', '"10.0.0 .1"', 'error', 2, 'domain is a domain'],
  ['bgcf.json', '"+1650"', '1650', 'error', 3, 'number is the beginning'],
  ['bgcf.json', '"number": "+1650", ', '', 'error', 3, 'either a domain or a number'],
  ['bgcf.json', '"number"', '"domain": "x", "number"', 'error', 3, 'either a domain or a number'],
  ['bgcf.json', '["sip:b.ims.test;lr"]', '[]', 'error', 4, 'at least one SIP URI'],
  ['bgcf.json', 'sip:a.ims.test', 'tel:123', 'error', 3, 'is a SIP URI'],
  ['bgcf.json', '"*"', '"10.0.0.1"', 'warning', 4, 'in entry 1 too'],
  ['bgcf.json', '"route":', '"routes":', 'error', 2, 'route is a list'],
  ['enum.json', '"2125550270"', '"212-555"', 'error', 2, 'prefix is the beginning'],
  ['enum.json', '!(^.*$)!sip:\\\\1@ims', '!+1(^.*$)!sip:\\\\1@ims', 'error', 3, 'no regular expression'],
  ['enum.json', '!(^.*$)!sip:\\\\1@ims', '!^.*$!sip:\\\\1@ims', 'error', 3, 'refers to a group'],
  ['enum.json', '.test!i', '.test', 'error', 3, 'has the form'],
  ['enum.json', '"prefix": ""', '"preffix": ""', 'error', 3, 'prefix is'],
  ['s-cscf.json', '100', '"100"', 'error', 2, 'weight is a whole number'],
  ['s-cscf.json', '[1]', '["1"]', 'error', 2, 'capabilities is a list'],
  ['s-cscf.json', 'sip:scscf2', 'scscf2', 'error', 3, 'SIP URI of an S-CSCF'],
  ['s-cscf.json', 'sip:scscf2', 'sip:scscf1', 'warning', 3, 'in entry 1 too'],
  ['rph.json', '14', '16', 'error', 3, 'from 1 (lowest) to 15'],
  ['rph.json', '"ets.4", "own.x"', '"ets.4", 5', 'error', 2, 'is like ets.0'],
  ['rph.json', '["ets.4", "own.x"]', '"ets.4"', 'error', 2, 'is a list'],
  ['rph.json', '"wps.0"', '"OWN.X"', 'error', 3, 'in another block too'],
  ['rph.json', '1,', '15,', 'error', 3, 'not in the order of their namespace'],
])('%s with %s as %s is told at its place', (name, from, to, severity, line, message) => {
  const text = GOOD[name].replace(from, to)
  const fault = validateJsonFile(name, text).find(each => each.message.includes(message))

  expect(text).not.toBe(GOOD[name])
  expect(fault).toMatchObject({ severity, line })
  expect(fault?.column).toBeGreaterThan(1)
})

test('an unknown key is told with the one that was meant', () => {
  expect(validateJsonFile('s-cscf.json', GOOD['s-cscf.json'].replace('weight', 'wieght'))).toContainEqual(
    expect.objectContaining({ severity: 'warning', key: 'wieght', nearest: 'weight', line: 2 }),
  )
})

test('a syntax fault is told with line and column', () => {
  expect(validateJsonFile('enum.json', '{\n "number_blocks": [1,]\n}')).toMatchObject([
    { line: 2, column: 22 },
  ])
})

test.each([
  ['{"a": 1, "a": 2}', 10, 'twice'],
  ['["a', 2, 'not closed'],
  ['[1 2]', 4, 'a comma or ]'],
  ['{a: 1}', 2, 'a key in quotes'],
  ['{"a" 1}', 6, '":" is missing'],
  ['[01]', 2, 'a value is missing'],
  ['[] []', 4, 'after its end'],
])('%s is no JSON, as column %i tells', (text, column, message) => {
  const [fault] = validateJsonFile('bgcf.json', text)

  expect(fault).toMatchObject({ line: 1, column })
  expect(fault?.message).toContain(message)
})
