import { expect, test } from 'vitest'
import { Inbox } from './inbox.ts'
import { settled } from './testing.ts'
import type { Flow } from './transport/flow.ts'

const FLOW = {} as Flow

function open(handle: (text: string, waitedMs: number) => void = () => undefined) {
  const handled: string[] = []
  const errors: unknown[] = []
  const inbox = new Inbox(
    (text, _flow, waitedMs) => {
      handled.push(text)
      handle(text, waitedMs)
    },
    error => errors.push(error),
  )
  const put = (from: number, count: number): void => {
    for (let i = from; i < from + count; i++) inbox.put(String(i), FLOW)
  }
  const emptied = async (): Promise<void> => {
    while (inbox.length > 0) await settled()
  }
  return { inbox, handled, errors, put, emptied }
}

const upTo = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))

test('messages are handled as they come', () => {
  const { handled, put } = open()
  put(0, 5)

  expect(handled).toEqual(upTo(5))
})

test('what is more than a turn can take waits, and order is kept', async () => {
  const { inbox, handled, put, emptied } = open()
  put(0, 1000)
  expect(inbox.length).toBeGreaterThan(900)
  await settled()
  put(1000, 500)
  await emptied()

  expect(handled).toEqual(upTo(1500))
})

test('a count that runs on over many turns makes nothing wait for long', async () => {
  const { inbox, handled, put } = open()
  for (let i = 0; i < 100; i++) {
    put(i, 1)
    await settled()
  }

  expect(inbox.length).toBe(0)
  expect(handled).toEqual(upTo(100))
})

test('messages are told how long they have waited, and sockets get their turn meanwhile', async () => {
  let longest = 0
  let turns = 0
  const { put, inbox } = open((_, waitedMs) => {
    longest = Math.max(longest, waitedMs)
    const until = performance.now() + 1
    while (performance.now() < until);
  })
  put(0, 100)
  while (inbox.length > 0) {
    await settled()
    turns++
  }

  expect(longest).toBeGreaterThan(20)
  expect(turns).toBeGreaterThan(20)
})

test('a full inbox takes no more memory, and loses nothing', async () => {
  const { inbox, handled, put, emptied } = open()
  put(0, 30_000)
  expect(inbox.length).toBe(10_000)
  await emptied()

  expect(handled).toEqual(upTo(30_000))
})

test('an exception harms only its own message', async () => {
  const { handled, errors, put, emptied } = open(text => {
    if (text === '50') throw new Error('fault')
  })
  put(0, 100)
  await emptied()

  expect(handled).toEqual(upTo(100))
  expect(errors).toHaveLength(1)
})
