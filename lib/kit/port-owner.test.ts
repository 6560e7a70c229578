import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { boundSockets, portOwner } from './port-owner.ts'

const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:13C4 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 4711 1 0
   1: 0100007F:13C4 0100007F:C001 01 00000000:00000000 00:00000000 00000000   101        0 4712 1 0
   2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0
   3: B80D01200000000067452301EFCDAB89:13C4 00000000000000000000000000000000:0000 0A 0:0 00:0 0   7        0 4714 1 0
`

describe('rows of a socket table', () => {
  test('are those that listen on the port, in the usual spelling', () => {
    expect(boundSockets(TABLE, 5060, 'tcp')).toEqual([
      { address: '127.0.0.1', uid: 101, inode: '4711' },
      { address: '2001:db8::123:4567:89ab:cdef', uid: 7, inode: '4714' },
    ])
  })

  test('an empty or foreign table has none', () => {
    expect(boundSockets('', 5060, 'tcp')).toEqual([])
    expect(boundSockets('what\nis this', 5060, 'udp')).toEqual([])
  })
})

describe('who holds a port', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '127.0.0.1'],
    ['127.0.0.1', '0.0.0.0'],
    ['::1', '::1'],
    ['::', '::1'],
  ])('bound on %s, it is found for %s', async (bound, asked) => {
    const server = createServer().listen(0, bound)
    await once(server, 'listening')
    onTestFinished(() => {
      server.close()
    })
    const { port } = server.address() as { port: number }

    expect(await portOwner('tcp', asked, port)).toMatchObject({
      pid: process.pid,
      uid: process.getuid?.(),
      command: expect.stringMatching(/^node/) as string,
    })
  })

  test('nobody holds a port that is free', async () => {
    expect(await portOwner('udp', '127.0.0.1', 1)).toBeUndefined()
  })
})
