import { writeFileSync } from 'node:fs'
import { Resolver } from 'node:dns/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Bind } from '../support/bind.ts'
import { cw } from '../support/core.ts'
import { TempDir } from '../support/temp-dir.ts'

const NODES = `
  - { name: bono-1, address: 10.0.0.1, public_address: 203.0.113.1, roles: [bono] }
  - { name: bono-2, address: "2001:db8::2", roles: [bono] }
  - { name: sprout-1, address: 10.0.0.3, roles: [sprout] }
  - { name: home-1, address: 10.0.0.5, roles: [homestead, homer] }
`

describe('records that are sent to a name server', () => {
  const dir = new TempDir('dns-push')
  const resolver = new Resolver()
  let bind: Bind
  beforeAll(async () => {
    bind = await Bind.start('ims.test', 'www IN A 192.0.2.80', ['cw', 'other'])
    resolver.setServers([bind.server])
  })
  afterAll(async () => {
    await bind[Symbol.asyncDispose]()
    dir[Symbol.dispose]()
  })

  function deployment(
    nodes: string,
    dns = `server: 127.0.0.1, port: ${bind.port}, key_file: ${bind.keyFile('cw')}`,
  ): string {
    const file = dir.file('cw.yaml')
    writeFileSync(file, `name: lab\ndomain: ims.test\ndns: { ${dns} }\nnodes:${nodes}`)
    return file
  }
  const push = (file: string, ...args: readonly string[]) => cw('dns', 'push', '--file', file, ...args)

  test('are shown first, and then there', async () => {
    const file = deployment(NODES)
    const shown = await push(file, '--dry-run')
    expect(shown).toMatchObject({ code: 3, stderr: '' })
    expect(shown.stdout.split('\n')).toEqual(
      expect.arrayContaining([
        '+ ims.test A 203.0.113.1',
        '+ ims.test AAAA 2001:db8::2',
        '+ ims.test NAPTR 1 1 "S" "SIP+D2T" "" _sip._tcp.ims.test.',
        '+ _sip._udp.ims.test SRV 0 0 5060 bono-1.ims.test.',
      ]),
    )
    await expect(resolver.resolve4('bono-1.ims.test')).rejects.toThrow('ENOTFOUND')
    expect((await push(file)).stderr).toContain('NOT_CONFIRMED')

    expect(await push(file, '--yes')).toMatchObject({ code: 0, stdout: 'ims.test has its new records\n' })

    expect(await resolver.resolve4('bono-1.ims.test', { ttl: true })).toEqual([
      { address: '203.0.113.1', ttl: 300 },
    ])
    expect((await resolver.resolveSrv('_sip._tcp.ims.test')).map(({ name }) => name).toSorted()).toEqual(['bono-1.ims.test', 'bono-2.ims.test']) // prettier-ignore
    expect(await resolver.resolve4('www.ims.test')).toEqual(['192.0.2.80'])
    expect(await push(file, '--yes')).toMatchObject({ code: 0, stdout: 'nothing to do\n' })
    expect(await push(file, '--dry-run')).toMatchObject({ code: 0, stdout: 'nothing to do\n' })
  })

  test('that are needed no more go, and nothing else does', async () => {
    const file = deployment(NODES.replace(/.*bono-2.*\n/, '').replace('203.0.113.1', '203.0.113.9'))

    expect((await push(file, '--yes')).code).toBe(0)

    await expect(resolver.resolve6('bono-2.ims.test')).rejects.toThrow('ENOTFOUND')
    await expect(resolver.resolve6('ims.test')).rejects.toThrow('ENODATA')
    expect(await resolver.resolve4('ims.test')).toEqual(['203.0.113.9'])
    expect((await resolver.resolveSrv('_sip._tcp.ims.test')).map(({ name }) => name)).toEqual([
      'bono-1.ims.test',
    ])
    expect(await resolver.resolve4('www.ims.test')).toEqual(['192.0.2.80'])
  })

  test.each([
    ['a key that may not', 'other'],
    ['no key', undefined],
    ['a key file that is not there', 'nobody'],
  ])('by %s are refused, and nothing changes', async (_, key) => {
    const named = key === undefined ? '' : `, key_file: ${bind.keyFile(key)}`
    const file = deployment(NODES, `server: 127.0.0.1, port: ${bind.port}${named}`)

    const run = await push(file, '--yes')

    expect(run.stderr).toContain('error DNS_REFUSED')
    expect(run.code).not.toBe(0)
    expect(await resolver.resolve4('ims.test')).toEqual(['203.0.113.9'])
  })

  test('are told to be out of reach where nobody answers, or nobody is named', async () => {
    const silent = await push(deployment(NODES, 'server: 127.0.0.1, port: 9'), '--yes')
    expect(silent).toMatchObject({ code: 7 })
    expect(silent.stderr).toContain('error DNS_UNREACHABLE')
    const file = deployment(NODES)
    writeFileSync(file, `name: lab\ndomain: ims.test\nnodes:${NODES}`)
    const unnamed = await push(file, '--yes')
    expect(unnamed).toMatchObject({ code: 2 })
    expect(unnamed.stderr).toContain('the deployment file says of no name server')
  })
})
