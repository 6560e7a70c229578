import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { noLog } from '../kit/log.ts'
import type { Impu } from './identity.ts'
import { HttpServiceDocuments } from './service-documents.ts'

const ALICE = 'sip:alice@example.com' as Impu

/** What is had from a homer that answers so. */
async function had(answer: RequestListener): Promise<string | undefined> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const documents = new HttpServiceDocuments({ origin: `http://127.0.0.1:${port}`, log: noLog })
  try {
    return await documents.get(ALICE)
  } finally {
    await documents.close()
    server.closeAllConnections()
    server.close()
  }
}

test('a document is asked for by its path, in the name of its user', async () => {
  const document = await had((request, response) => {
    response.end(`${String(request.url)} ${String(request.headers['x-xcap-asserted-identity'])}`)
  })
  expect(document).toBe(
    '/org.etsi.ngn.simservs/users/sip%3Aalice%40example.com/simservs.xml sip:alice@example.com',
  )
})

test.each([404, 500, 503])('a homer that answers %d has none', async status => {
  expect(await had((_, response) => response.writeHead(status).end('<simservs/>'))).toBeUndefined()
})

test('nor has one that says nothing, hangs up, or talks for ever', async () => {
  expect(await had(() => undefined)).toBeUndefined()
  expect(await had(request => request.socket.destroy())).toBeUndefined()
  expect(
    await had((_, response) => {
      response.write('<simservs>')
    }),
  ).toBeUndefined()
  expect(await had((_, response) => response.end(' '.repeat(2_000_000)))).toBeUndefined()
})

test('nor one that is not there', async () => {
  const documents = new HttpServiceDocuments({ origin: 'http://127.0.0.1:1', log: noLog })
  expect(await documents.get(ALICE)).toBeUndefined()
  await documents.close()
})
