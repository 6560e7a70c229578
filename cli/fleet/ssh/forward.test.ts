import { once } from 'node:events'
import { connect } from 'node:net'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { openForward } from './forward.ts'

describe('a forwarded port', () => {
  test('joins a connection of its own user with the far end', async () => {
    const forward = await openForward(() => Promise.resolve(new PassThrough()))
    const socket = connect(forward.port, '127.0.0.1')
    socket.write('there and back')

    expect(String((await once(socket, 'data'))[0])).toBe('there and back')
    socket.destroy()
    await forward.close()
  })

  test('refuses that of any other', async () => {
    let reached = 0
    const other = (process.getuid?.() ?? 0) + 1
    const forward = await openForward(() => {
      reached++
      return Promise.resolve(new PassThrough())
    }, other)
    const socket = connect(forward.port, '127.0.0.1')
    socket.on('error', () => undefined).resume()

    await once(socket, 'close')
    expect(reached).toBe(0)
    await forward.close()
  })
})
