import { expect, test } from 'vitest'
import { callListSettingsOf, DEFAULT_CALL_LISTS } from './call-lists.ts'

test('call lists are kept for a week in a fifth of the disk, where nothing is set', () => {
  expect(DEFAULT_CALL_LISTS).toEqual({
    maxLength: 0,
    ttl: 604_800_000,
    diskLimit: { percentOfDisk: 20 },
    writers: 25,
  })
})

test('what is set counts, unless it is nonsense', () => {
  const values = new Map([
    ['max_call_list_length', '100'],
    ['call_list_store_ttl', '60'],
    ['memento_threads', 'all'],
    ['memento_notify_url', 'http://portal.example.com/changed'],
    ['memento_api_key', 'open sesame'],
  ])

  expect(callListSettingsOf(values)).toMatchObject({
    maxLength: 100,
    ttl: 60_000,
    writers: 25,
    notifyUrl: 'http://portal.example.com/changed',
    apiKey: 'open sesame',
  })
})

test.each([
  ['10240', { bytes: 10_240 }],
  ['100k', { bytes: 102_400 }],
  ['100M', { bytes: 104_857_600 }],
  ['2G', { bytes: 2_147_483_648 }],
  ['45%', { percentOfDisk: 45 }],
  ['lots', { percentOfDisk: 20 }],
])('memento_disk_limit=%s', (text, limit) => {
  expect(callListSettingsOf(new Map([['memento_disk_limit', text]])).diskLimit).toEqual(limit)
})
