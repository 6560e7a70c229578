import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import { clusteringKey, parseClusters, SPROUT_CLUSTERS } from '../../../lib/clustering/clusters.ts'
import { parseCassandraCluster } from '../../../lib/store/cassandra/cluster-file.ts'
import { parseDeployment } from '../../../lib/config/deployment/parse.ts'
import { Authority } from '../certificates/authority.ts'
import { loadPlaybook } from './playbook.ts'
import { renderTemplate } from './template.ts'
import { templateValues, type TemplateValues } from './values.ts'
import { zoneFile } from './zone.ts'

const HOSTILE = [
  `it's`,
  '"quoted"',
  '$(touch /pwned)',
  '`id`',
  '${HOME}',
  'two\nlines',
  'a;b',
  'a b',
  '%h',
  '\\',
]

describe('a template', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'clearwater-template-'))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true })
  })
  const render = (syntax: string, value: string): string => {
    writeFileSync(join(folder, `it.${syntax}.eta`), 'value=<%= it.value %>\nnext=1\n')
    return renderTemplate(`it.${syntax}`, { value }, folder)
  }

  test.each(HOSTILE)('writes %j for a shell as that very value', value => {
    const script = `${render('shell', value)}printf %s "$value"`

    expect(spawnSync('sh', ['-c', script], { encoding: 'utf8' }).stdout).toBe(value)
  })

  test.each(['service', 'hosts', 'dnsmasq', 'nft', 'zone', 'plain'])(
    'for %s refuses what would be more than a word',
    syntax => {
      for (const value of HOSTILE) expect(() => render(syntax, value), value).toThrow('cannot be written')
      expect(render(syntax, '192.0.2.1')).toBe('value=192.0.2.1\nnext=1\n')
    },
  )

  test.each(HOSTILE.filter(value => !value.includes('\n')))('writes %j into an environment file', value => {
    expect(render('env', value)).toMatch(/^value="(?:[^"\\$`]|\\["\\$`])*"\nnext=1\n$/)
  })

  test('keeps the line end after a value, and leaves no line where it only steers', () => {
    writeFileSync(
      join(folder, 'it.plain.eta'),
      '<% for (const v of it.values) { %>\nv <%= v %>\n<% } %>\nend\n',
    )

    expect(renderTemplate('it.plain', { values: ['a', 'b'] }, folder)).toBe('v a\nv b\nend\n')
  })
})

describe('the templates of a deployment', () => {
  const deployment = deploymentOf(`
name: lab
domain: ims.test
secrets: { signup_key: { env: KEY } }
nodes:
  - { name: bono-1, address: 192.0.2.1, public_address: 198.51.100.1, roles: [bono] }
  - { name: bono-2, address: 192.0.2.2, public_address: 198.51.100.2, roles: [bono] }
  - { name: sprout-1, address: 192.0.2.3, roles: [sprout] }
  - { name: homestead-1, address: 192.0.2.4, roles: [homestead, homer] }
  - { name: spare-1, address: 192.0.2.9 }
`)
  const authority = Authority.found('lab')
  const valuesOf = (name: string): TemplateValues => {
    const node = deployment.nodes.find(each => each.name === name)
    if (node === undefined) throw new Error(name)
    const secrets = new Map([['signup_key', 'x']])
    return templateValues({ deployment, node, authority, secrets, learned: undefined })
  }
  const used = loadPlaybook('deploy').phases.flatMap(({ steps }) =>
    steps.flatMap(({ tasks }) =>
      tasks.flatMap(({ params }) => {
        const { template } = params as { template?: string }
        return template === undefined ? [] : [template]
      }),
    ),
  )

  test.each([...new Set(used)])('%s can be rendered for every node', template => {
    for (const { name } of deployment.nodes) {
      const text = renderTemplate(template, valuesOf(name))

      expect(text === '' || text.endsWith('\n'), text.slice(-80)).toBe(true)
      expect(text).not.toMatch(/undefined|<%|%>|\n\n\n/)
    }
  })

  test('/etc/hosts and the cache know every name, also of clusters', () => {
    const hosts = renderTemplate('etc/hosts.hosts', valuesOf('spare-1'))
    const cache = renderTemplate('dns/clearwater.dnsmasq', valuesOf('spare-1'))

    expect(hosts).toContain('198.51.100.1 ims.test\n198.51.100.2 ims.test\n')
    expect(hosts).toContain('192.0.2.3 scscf.sprout.ims.test\n')
    expect(hosts).toContain('192.0.2.4 hs.ims.test\n')
    expect(hosts).not.toContain('ralf')
    expect(cache).toContain('srv-host=_sip._tcp.scscf.sprout.ims.test,sprout-1.ims.test,5054,0,0\n')
    expect(cache).toContain('naptr-record=ims.test,2,1,S,SIP+D2U,,_sip._udp.ims.test\n')
  })

  test('the firewall lets each port be reached by whom the manual says', () => {
    const rules = renderTemplate('firewall/firewall.nft', valuesOf('homestead-1'))

    expect(rules).toContain(
      'ip saddr { 192.0.2.1, 198.51.100.1, 192.0.2.2, 198.51.100.2, 192.0.2.3 } tcp dport 8888 accept',
    )
    expect(rules).toMatch(/tcp dport \{ 4000, 2380, [\d, ]*8888[\d, ]* \} drop\n/)
    expect(rules).not.toContain('5060')
    expect(rules, 'ports of other roles').toMatch(/tcp dport \{ [\d, ]*10888[\d, ]* \} drop\n/)
    expect(rules).toContain('udp dport { 5052, 5053, 5054 } drop\n')
    expect(renderTemplate('firewall/firewall.nft', valuesOf('bono-1'))).toContain('    udp dport 5060 accept')
  })

  test('the zone has the records of the manual', () => {
    const zone = zoneFile(deployment, 7, ['192.0.2.53'])

    for (const record of [
      'ns 3600 IN A 192.0.2.53',
      'ims.test. IN A 198.51.100.2',
      'ims.test. IN NAPTR 1 1 "S" "SIP+D2T" "" _sip._tcp.ims.test.',
      '_sip._udp.ims.test. IN SRV 0 0 5060 bono-2.ims.test.',
      'icscf.sprout.ims.test. IN A 192.0.2.3',
      '_sip._tcp.icscf.sprout.ims.test. IN SRV 0 0 5052 sprout-1.ims.test.',
      'homer.ims.test. IN A 192.0.2.4',
    ]) {
      expect(zone.split('\n')).toContain(record)
    }
  })
})

describe('sprouts of two sites', () => {
  const sites = deploymentOf(`
name: lab
domain: ims.test
sites: [a, b]
nodes:
  - { name: sprout-2, address: 10.0.0.9, site: a, roles: [sprout] }
  - { name: sprout-1, address: 10.0.0.3, site: a, roles: [sprout, ralf] }
  - { name: sprout-3, address: 10.0.0.4, site: b, roles: [sprout, homestead] }
  - { name: bono-1, address: 10.0.0.5, site: b, roles: [bono] }
  - { name: bono-2, address: 10.0.0.6, site: a, roles: [bono] }
`)
  const textOf = (template: string, index: number, deployment = sites): string => {
    const node = deployment.nodes[index]!
    const authority = Authority.found('lab')
    return renderTemplate(
      template,
      templateValues({ deployment, node, authority, secrets: new Map(), learned: undefined }),
    )
  }

  test('have the same clusters at each, and know those of the other', () => {
    const [a, b] = [['10.0.0.3', '10.0.0.9'], ['10.0.0.4']] as const
    const views = [
      { own: a, other: 'b', site: 'a' },
      { own: a, other: 'b', site: 'a' },
      { own: b, other: 'a', site: 'b' },
    ]
    for (const [index, { own, other, site }] of views.entries()) {
      expect(parseClusters(textOf('etc/clusters.plain', index), 'f')).toEqual(SPROUT_CLUSTERS)
      expect(textOf('etc/clusters.plain', index)).toContain(`# Those of the site ${other} are told, too.`)
      const seeds = textOf('etc/cluster_seed.plain', index).trim().split('\n')
      const value = JSON.stringify(Object.fromEntries(own.map(address => [address, 'normal'])))
      expect(seeds).toEqual(SPROUT_CLUSTERS.map(cluster => `${clusteringKey(site, cluster)} ${value}`))
      expect(textOf('etc/logrotate.plain', index)).toContain('/var/log/chronos/*.log {')
    }
  })

  test('are asked by the nodes of their own site first, and those of the other in their place', () => {
    const [nearB, nearA] = [textOf('dns/clearwater.dnsmasq', 3), textOf('dns/clearwater.dnsmasq', 4)]
    const record = (sprout: string, priority: number): string =>
      `srv-host=_sip._tcp.icscf.sprout.ims.test,${sprout}.ims.test,5052,${priority},0\n`

    expect(nearB).toContain(record('sprout-3', 0))
    expect(nearB).toContain(record('sprout-1', 1))
    expect(nearA).toContain(record('sprout-3', 1))
    expect(nearA).toContain(record('sprout-1', 0))
    expect(textOf('etc/hosts.hosts', 3)).toContain('10.0.0.4 sprout.ims.test\n')
    expect(textOf('etc/hosts.hosts', 3)).not.toContain('10.0.0.3 sprout.ims.test\n')
    expect(textOf('etc/hosts.hosts', 3)).toContain('10.0.0.3 sprout-1.ims.test\n')
    // Where a site has none of a kind, the other one's will do.
    expect(textOf('etc/hosts.hosts', 4)).toContain('10.0.0.4 hs.ims.test\n')
    expect(zoneFile(sites, 7, [])).toContain(
      '_sip._tcp.icscf.sprout.ims.test. IN SRV 0 0 5052 sprout-3.ims.test.',
    )
  })

  test('are let in by each other, and by nobody else', () => {
    const doors = textOf('firewall/firewall.nft', 2)
      .split('\n')
      .filter(line => /dport (11211|7253) accept/.test(line))

    expect(doors).toHaveLength(2)
    for (const door of doors) expect(door).toContain('ip saddr { 10.0.0.9, 10.0.0.3, 10.0.0.4 } tcp')
  })

  test('are no cluster where there is only one', () => {
    const alone = { ...sites, nodes: [{ ...sites.nodes[2]!, sharesRegistrations: false }] }
    for (const template of ['clusters', 'cluster_seed'])
      expect(textOf(`etc/${template}.plain`, 0, alone).trim()).toBe('')
    expect(textOf('etc/logrotate.plain', 0, alone)).not.toContain('chronos')
  })
})

test('homesteads that are several share a Cassandra, each a node in the data centre of its site', () => {
  const sites = deploymentOf(`
name: lab
domain: ims.test
sites: [a, b, c]
nodes:
  - { name: hs-1, address: 10.0.0.1, site: a, roles: [homestead] }
  - { name: hs-2, address: 10.0.0.2, site: a, roles: [homestead] }
  - { name: hs-3, address: 10.0.1.3, site: b, roles: [homestead] }
  - { name: core, address: 10.0.2.4, site: c, roles: [bono, sprout, homer] }
`)
  const textOf = (template: string, index: number): string => {
    const node = sites.nodes[index]!
    const secrets = new Map<string, string>()
    const authority = Authority.found('lab')
    return renderTemplate(
      template,
      templateValues({ deployment: sites, node, authority, secrets, learned: undefined }),
    )
  }
  const yamlOf = (template: string, index: number): unknown => parse(textOf(template, index))
  const seeds = (list: string): unknown => ({ seed_provider: [{ parameters: [{ seeds: list }] }] })

  expect(yamlOf('cassandra/cassandra.yaml', 1)).toMatchObject({
    ...{ cluster_name: 'clearwater-lab', listen_address: '10.0.0.2' },
    ...(seeds('10.0.0.1,10.0.1.3') as object),
  })
  expect(yamlOf('cassandra/founder.yaml', 1)).toMatchObject(seeds('10.0.0.2,10.0.0.1,10.0.1.3') as object)
  expect(textOf('cassandra/rackdc.plain', 2)).toContain('dc=b\n')
  const view = (index: number): unknown =>
    parseCassandraCluster(textOf('etc/cassandra_cluster.plain', index), 'f')
  expect(view(0)).toMatchObject({ site: 'a', contactPoints: ['10.0.0.1:9042', '10.0.0.2:9042'] })
  expect(view(2)).toMatchObject({ site: 'b', contactPoints: ['10.0.1.3:9042'] })
  // A site without homesteads asks another one's.
  expect(view(3)).toMatchObject({ site: 'a', clusterName: 'clearwater-lab' })
})

describe('the templates of a deployment on IPv6', () => {
  const deployment = deploymentOf(`
name: lab
domain: ims.test
nodes:
  - { name: bono-1, address: 'FD00:0::1', public_address: '2001:db8::1', roles: [bono] }
  - { name: core-1, address: 'fd00::2', roles: [sprout, homestead] }
`)
  const authority = Authority.found('lab')
  const textOf = (template: string, name: string): string => {
    const node = deployment.nodes.find(each => each.name === name)
    if (node === undefined) throw new Error(name)
    const values = { deployment, node, authority, secrets: new Map(), learned: undefined }
    return renderTemplate(template, templateValues(values))
  }

  test('name addresses as they are, and in URLs with brackets', () => {
    expect(textOf('etc/local_config.shell', 'bono-1').split('\n')).toEqual(
      expect.arrayContaining([
        'local_ip=fd00::1',
        'public_ip=2001:db8::1',
        'public_hostname=bono-1.ims.test',
        'etcd_cluster=fd00::1',
      ]),
    )
    expect(textOf('etc/hosts.hosts', 'core-1')).toContain('fd00::2 scscf.sprout.ims.test\n')
    expect(textOf('etcd/etcd.env', 'core-1')).toContain('ETCD_LISTEN_PEER_URLS="https://[fd00::2]:2380"\n')
    expect(textOf('etc/memcached.plain', 'core-1')).toContain('-l fd00::2\n')
  })

  test('let only nodes of its own into the core, by their family', () => {
    const rules = textOf('firewall/firewall.nft', 'core-1')

    expect(rules).toContain('ip6 saddr { fd00::1, 2001:db8::1, fd00::2 } udp dport 5054 accept')
    expect(rules).not.toMatch(/ ip saddr /)
  })

  test('make a zone of AAAA records', () => {
    const zone = zoneFile(deployment, 7, ['2001:db8::53']).split('\n')

    expect(zone).toEqual(
      expect.arrayContaining([
        'ns 3600 IN AAAA 2001:db8::53',
        'ims.test. IN AAAA 2001:db8::1',
        'scscf.sprout.ims.test. IN AAAA fd00::2',
      ]),
    )
    expect(zone.filter(line => / A /.test(line))).toEqual([])
  })
})

function deploymentOf(text: string): Deployment {
  const parsed = parseDeployment(text, 'cw.yaml')
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults))
  return parsed.deployment
}
