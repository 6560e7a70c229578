import { createServer, type Server } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseDeployment } from '../../lib/config/deployment/parse.ts'
import type { Deployment } from '../../lib/config/deployment/deployment.ts'
import { MEMBER_NAME } from '../../lib/etcd/credentials.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { Authority } from './certificates/authority.ts'
import { connectEtcd } from './etcd.ts'
import type { NodeShell } from './ssh/shell.ts'

const DEPLOYMENT = `name: lab
domain: ims.test
nodes:
  - {name: a, address: 10.0.0.1, roles: [bono]}
  - {name: b, address: 10.0.0.2, roles: [sprout]}
  - {name: c, address: 10.0.0.3, roles: [homestead]}
`

describe('a client of the etcd of a deployment', () => {
  const authority = Authority.found('lab')
  const files: Readonly<Record<string, string>> = {
    '/etc/clearwater/tls/authority.crt': authority.certificate,
    '/etc/clearwater/tls/client.pem': authority.issue({ commonName: 'b', hosts: [] }),
  }
  let gateway: Server
  const forwarded: string[] = []
  let open = 0
  beforeAll(async () => {
    const own = authority.issue({ commonName: MEMBER_NAME, hosts: [MEMBER_NAME] })
    const tls = { key: own, cert: own, ca: authority.certificate, requestCert: true }
    gateway = createServer({ ...tls, rejectUnauthorized: true }, (request, response) => {
      request.resume().on('end', () => response.end('{"header":{"revision":"7"}}'))
    })
    await once(gateway.listen(0, '127.0.0.1'), 'listening')
  })
  afterAll(() => {
    gateway.close()
  })

  /** A node whose forwards all lead to the gateway of this test. */
  const reachable = (node: string): NodeShell => ({
    ...unreachable(node),
    read: (path, options) => {
      const text = options?.sudo === true ? files[path] : undefined
      return Promise.resolve(text === undefined ? undefined : Buffer.from(text))
    },
    forward: (host, port) => {
      forwarded.push(`${node}: ${host}:${port}`)
      open++
      return Promise.resolve({
        port: (gateway.address() as AddressInfo).port,
        close: () => {
          open--
          return Promise.resolve()
        },
      })
    },
  })
  const unreachable = (node: string): NodeShell => {
    const refuse = (): Promise<never> =>
      Promise.reject(new CwError('NODE_UNREACHABLE', `${node} cannot be reached`, { where: { host: node } }))
    return {
      node,
      run: refuse,
      script: refuse,
      read: refuse,
      write: refuse,
      upload: refuse,
      forward: refuse,
      close: () => Promise.resolve(),
    }
  }

  test('goes through the first voter that lets us in, to its own member before all others', async () => {
    const etcd = await connectEtcd(lab(), {
      shellOf: ({ name }) => (name === 'b' ? reachable(name) : unreachable(name)),
    })
    expect((await etcd.getPrefix('/')).revision).toBe(7)
    expect(forwarded).toEqual(['b: 10.0.0.2:4000', 'b: 10.0.0.1:4000', 'b: 10.0.0.3:4000'])
    await etcd.close()
    expect(open).toBe(0)
  })

  test('passes over a voter that nobody has deployed to yet, and says so where all are such', async () => {
    const bare = (node: string): NodeShell => ({
      ...reachable(node),
      read: () => Promise.resolve(undefined),
    })
    forwarded.length = 0
    const etcd = await connectEtcd(lab(), {
      shellOf: ({ name }) => (name === 'c' ? reachable(name) : bare(name)),
    })
    expect(forwarded[0]).toBe('c: 10.0.0.3:4000')
    await etcd.close()
    await expect(connectEtcd(lab(), { shellOf: ({ name }) => bare(name) })).rejects.toMatchObject({
      code: 'ETCD_UNAVAILABLE',
      detail: { why: expect.stringContaining('has no certificate') as string },
    })
  })

  test('is not to be had where no voter lets us in, and each reason is told', async () => {
    const connecting = connectEtcd(lab(), { shellOf: ({ name }) => unreachable(name) })
    await expect(connecting).rejects.toMatchObject({
      code: 'NODE_UNREACHABLE',
      exitCode: 7,
      detail: { why: 'a cannot be reached; b cannot be reached; c cannot be reached' },
    })
  })
})

function lab(): Deployment {
  const parsed = parseDeployment(DEPLOYMENT, 'cw.yaml')
  if ('deployment' in parsed) return parsed.deployment
  throw new Error(parsed.faults.map(fault => fault.message).join('; '))
}
