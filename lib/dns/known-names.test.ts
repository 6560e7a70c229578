import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseUri, type SipUri } from '../sip/uri.ts'
import { HostsFile, parseDnsJson, parseHosts, withKnownNames } from './known-names.ts'
import type { DnsQueries } from './queries.ts'
import { SipResolver } from './sip-resolver.ts'

function uri(text: string): SipUri {
  const parsed = parseUri(text)
  if (parsed?.kind !== 'sip') throw new Error(`${text} is no SIP URI`)
  return parsed
}

/** A server that knows one name and notes what it is asked. */
function server(): DnsQueries & { readonly asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    resolve4: async name => {
      asked.push(`A ${name}`)
      return name === 'far.example.com' ? ['192.0.2.9'] : []
    },
    resolve6: async name => {
      asked.push(`AAAA ${name}`)
      return []
    },
    resolveSrv: async name => {
      asked.push(`SRV ${name}`)
      return []
    },
    resolveNaptr: async name => {
      asked.push(`NAPTR ${name}`)
      return []
    },
  }
}

describe('a name of the hosts file', () => {
  const names = parseHosts('192.0.2.1  Core.example.com core # the core\n2001:db8::1 core\n127.0.1.1 self\n')

  test('is found without asking a server, also where a port would come from SRV', async () => {
    const dns = server()
    const resolver = new SipResolver({ family: 4, dns: withKnownNames(name => names.get(name), dns) })

    const withPort = await resolver.resolve(uri('sip:core.example.com:5052;transport=TCP'))
    const without = await resolver.resolve(uri('sip:CORE.example.com'))

    expect(withPort).toEqual([{ transport: 'TCP', address: '192.0.2.1', port: 5052 }])
    expect(without).toEqual([{ transport: 'UDP', address: '192.0.2.1', port: 5060 }])
    expect(dns.asked).toEqual([])
  })

  test('has addresses of both families, on one line or several', async () => {
    const dns = withKnownNames(name => names.get(name), server())

    expect(await dns.resolve4('core')).toEqual(['192.0.2.1'])
    expect(await dns.resolve6('core')).toEqual(['2001:db8::1'])
  })

  test('is no good as the address that Debian gives the machine itself', () => {
    expect(names.has('self')).toBe(false)
  })
})

test('any other name goes to the server', async () => {
  const dns = server()
  const resolver = new SipResolver({ family: 4, dns: withKnownNames(() => undefined, dns) })

  const targets = await resolver.resolve(uri('sip:far.example.com'))

  expect(targets).toEqual([{ transport: 'UDP', address: '192.0.2.9', port: 5060 }])
  expect(dns.asked[0]).toBe('NAPTR far.example.com')
})

describe('the hosts file', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cw-hosts-'))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  test('is read again when it has changed, at most once a second', () => {
    let now = 0
    const file = join(folder, 'hosts')
    const hosts = new HostsFile(file, () => now)
    expect(hosts.find('core')).toBeUndefined()

    writeFileSync(file, '192.0.2.1 core\n')
    expect(hosts.find('core')).toBeUndefined()
    now = 1000
    expect(hosts.find('core')).toEqual({ kind: 'addresses', addresses: ['192.0.2.1'] })
  })
})

describe('dns.json', () => {
  test('gives a name addresses, or another name to look up', async () => {
    const names = parseDnsJson(
      JSON.stringify({
        hostnames: [
          { name: 'scscf.sprout.example.com', records: [{ rrtype: 'A', targets: ['192.0.2.3'] }] },
          { name: 'sprout.example.com', records: [{ rrtype: 'CNAME', target: 'far.example.com' }] },
          {
            name: 'icscf.sprout.example.com',
            records: [{ rrtype: 'CNAME', target: 'SCSCF.sprout.example.com' }],
          },
        ],
      }),
    )
    if (typeof names === 'string') throw new Error(names)
    const asked = server()
    const dns = withKnownNames(name => names.get(name), asked)

    expect(await dns.resolve4('scscf.sprout.example.com')).toEqual(['192.0.2.3'])
    expect(await dns.resolve4('icscf.sprout.example.com')).toEqual(['192.0.2.3'])
    expect(await dns.resolve4('sprout.example.com')).toEqual(['192.0.2.9'])
    await dns.resolveSrv('_sip._tcp.sprout.example.com')
    expect(asked.asked).toEqual(['A far.example.com', 'SRV _sip._tcp.far.example.com'])
  })

  test.for([
    ['no JSON', '{'],
    ['another document', '[]'],
    ['an entry without records', '{"hostnames":[{"name":"a"}]}'],
    ['an address that is none', '{"hostnames":[{"name":"a","records":[{"rrtype":"A","targets":["b"]}]}]}'],
  ] as const)('is refused with a sentence: %s', ([, text]) => {
    expect(parseDnsJson(text)).toBeTypeOf('string')
  })
})
