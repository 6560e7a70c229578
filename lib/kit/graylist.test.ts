import { expect, test } from 'vitest'
import { seconds, TestClock } from './clock.ts'
import { Graylist } from './graylist.ts'

function open(blackFor = seconds(30)) {
  const clock = new TestClock()
  return { clock, peers: new Graylist({ clock, blackFor }) }
}

test('a peer that failed is avoided, and another is not', () => {
  const { peers } = open()
  peers.failed('a')

  expect(peers.isAvoided('a')).toBe(true)
  expect(peers.isAvoided('b')).toBe(false)
})

test('after its time one request may try it, and the others when that was answered', () => {
  const { clock, peers } = open()
  peers.failed('a')
  clock.advance(seconds(30))

  expect(peers.isAvoided('a')).toBe(false)
  peers.trying('a')
  expect(peers.isAvoided('a')).toBe(true)
  peers.answered('a')
  expect(peers.isAvoided('a')).toBe(false)
  expect(peers.size).toBe(0)
})

test('a probe that fails makes it avoided again', () => {
  const { clock, peers } = open()
  peers.failed('a')
  clock.advance(seconds(35))
  peers.trying('a')
  peers.failed('a')
  clock.advance(seconds(29))

  expect(peers.isAvoided('a')).toBe(true)
})

test('a peer that nobody tried counts as good in the end', () => {
  const { clock, peers } = open()
  peers.failed('a')
  clock.advance(seconds(60))
  peers.trying('a')

  expect(peers.isAvoided('a')).toBe(false)
  expect(peers.isAvoided('a')).toBe(false)
})

test('a try before its time, for want of others, is no probe that others wait for afterwards', () => {
  const { clock, peers } = open(seconds(60))
  peers.failed('a')
  peers.trying('a')
  clock.advance(seconds(60))

  expect(peers.isAvoided('a')).toBe(false)
})

test('a duration of 0 avoids nobody, unless the peer itself asks for it', () => {
  const { peers } = open(seconds(0))
  peers.failed('a')
  peers.failed('b', seconds(5))

  expect([peers.isAvoided('a'), peers.isAvoided('b')]).toEqual([false, true])
})

test('peers without end do not fill the memory', () => {
  const { peers } = open()
  for (let i = 0; i < 20_000; i++) peers.failed(`peer ${i}`)

  expect(peers.size).toBe(10_000)
  expect(peers.isAvoided('peer 19999')).toBe(true)
})
