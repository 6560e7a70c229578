import { describe, expect, test } from 'vitest'
import { hasErrors } from '../fault.ts'
import { validateConfigFile, validateSharedConfig } from '../validate.ts'
import type { Deployment, DeploymentNode, Role } from './deployment.ts'
import { localConfigOf, sharedConfigOf, userSettingsOf } from './node-files.ts'
import { parseDeployment } from './parse.ts'
import { etcdVoters } from './voters.ts'

const SIX: readonly Role[] = ['bono', 'sprout', 'homestead', 'homer', 'ellis', 'ralf']

function deployment(nodes: readonly string[], rest = ''): Deployment {
  const text = `name: lab\ndomain: ims.test\n${rest}\nnodes:\n${nodes.map(node => `  - ${node}\n`).join('')}`
  const parsed = parseDeployment(text, 'cw.yaml')
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults))
  return parsed.deployment
}

const six = SIX.map((role, index) => `{name: ${role}-1, address: 10.0.0.${index + 1}, roles: [${role}]}`)
const first = (of: Deployment): DeploymentNode => {
  const [node] = of.nodes
  if (node === undefined) throw new Error('no node')
  return node
}

describe('shared_config', () => {
  test('is what the manual gives for a first deployment', () => {
    expect(sharedConfigOf(deployment(six), () => ''))
      .toBe(`# Shared configuration of lab: the same on every node, learned from etcd.
# Change it with: cw config set
home_domain=ims.test
sprout_hostname=sprout.ims.test
hs_hostname=hs.ims.test:8888
hs_provisioning_hostname=hs.ims.test:8889
ralf_hostname=ralf.ims.test:10888
xdms_hostname=homer.ims.test:7888
ellis_hostname=ellis.ims.test
`)
  })

  test('has settings and secrets, and passes validation', () => {
    const given = deployment(
      six,
      'settings: {sprout_hostname: s.ims.test, smtp_username: "it\'s $(x)"}\nsecrets: {signup_key: {env: A}}',
    )
    const text = sharedConfigOf(given, name => `value of ${name}`)

    expect(text).toContain('\nsprout_hostname=s.ims.test\n')
    expect(text).toContain("\nsmtp_username='it'\\''s $(x)'\nsignup_key='value of signup_key'\n")
    expect(validateSharedConfig(text)).toEqual([])
  })

  test('with an HSS has no provisioning interface, without ralf no charging', () => {
    const text = sharedConfigOf(deployment(six.slice(0, 3), 'settings: {hss_realm: hss.test}'), () => '')

    expect(text).not.toMatch(/provisioning|ralf|xdms/)
  })
})

describe('local_config', () => {
  test('says where the node stands', () => {
    const given = deployment(
      [
        '{name: bono-7, address: 10.0.0.1, public_address: 203.0.113.1, site: a, roles: [bono]}',
        '{name: sprout-1, address: 10.0.0.2, site: b, roles: [sprout, homestead], local: {signaling_dns_server: 10.0.0.9}}',
        '{name: ralf-1, address: 10.0.0.3, site: b, roles: [ralf]}',
      ],
      'sites: [a, b]',
    )
    const texts = given.nodes.map(node => localConfigOf(node, given))

    expect(texts[0]).toBe(`# Written by cw deploy for lab; change it in the deployment file.
local_ip=10.0.0.1
public_ip=203.0.113.1
public_hostname=bono-7.ims.test
etcd_cluster=10.0.0.1,10.0.0.2,10.0.0.3
local_site_name=a
remote_site_name=b
node_idx=7
`)
    expect(texts[1]).toContain(
      'remote_site_name=a\nnode_idx=1\netcd_cluster_key=homestead-sprout\nsignaling_dns_server=10.0.0.9\n',
    )
    for (const text of texts) expect(hasErrors(validateConfigFile('local', text))).toBe(false)
  })
})

test('user_settings has what the node is set to', () => {
  const given = deployment(six.slice(0, 1), 'user_settings: {log_level: 5}')

  expect(userSettingsOf(first(given), given).split('\n')).toEqual([
    expect.stringMatching(/^# /),
    'log_level=5',
    '',
  ])
})

describe('etcd runs', () => {
  const voters = (nodes: readonly string[], rest = ''): readonly string[] =>
    etcdVoters(deployment(nodes, rest)).map(node => node.name)
  const node = (name: string, address: number, site = 'a', role = 'bono'): string =>
    `{name: ${name}, address: 10.0.0.${address}, site: ${site}, roles: [${role}]}`

  test.each([
    [1, 1],
    [2, 1],
    [3, 3],
    [4, 3],
    [5, 5],
    [6, 5],
  ])('of %i nodes on %i', (count, expected) => {
    expect(voters(six.slice(0, count))).toHaveLength(expected)
  })

  test('on no spare', () => {
    expect(voters(['{name: spare-1, address: 10.0.0.9}', ...six.slice(0, 1)])).toEqual(['bono-1'])
  })

  test('on nodes of all sites', () => {
    const nodes = [
      node('a1', 1),
      node('a2', 2),
      node('a3', 3),
      node('a4', 4),
      node('b1', 5, 'b'),
      node('c1', 6, 'c'),
    ]

    expect(voters(nodes, 'sites: [a, b, c]')).toEqual(['a1', 'a2', 'a3', 'b1', 'c1'])
  })

  test('on the same nodes when one is added at the end', () => {
    expect(voters([...six, node('bono-9', 9, 'site1')])).toEqual(voters(six))
  })
})
