import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Deployment } from './deployment.ts'
import { parseDeployment } from './parse.ts'

const GOOD = `name: lab
domain: IMS.test
sites: [here, there]
ssh:
  user: admin
  identity_file: keys/id
settings:
  reg_max_expires: 600
  base: 0777
  smtp_username: +16505550001
  nonce_count_supported: Y
user_settings:
  log_level: 3
secrets:
  signup_key: {env: SIGNUP_KEY}
  turn_workaround: {file: secrets/turn}
nodes:
  - name: bono-1
    address: 10.0.0.1
    public_address: 203.0.113.1
    public_hostname: edge.ims.test
    roles: [bono]
  - name: sprout-1
    address: 10.0.0.2
    site: there
    roles: [sprout, homestead]
    user: {log_level: 5}
    local: {scscf_node_uri: "sip:sprout-1.ims.test:5054"}
    ssh: {port: 2222, jump: "ops@bastion:22"}
  - name: spare-1
    address: 2001:db8::3
`

function deploymentOf(text: string): Deployment {
  const parsed = parseDeployment(text, 'cw.yaml')
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults))
  return parsed.deployment
}

function faultsOf(text: string): readonly unknown[] {
  const parsed = parseDeployment(text, 'cw.yaml')
  return 'faults' in parsed ? parsed.faults : []
}

describe('a deployment file', () => {
  test('says what it says, with defaults filled in', () => {
    expect(deploymentOf(GOOD)).toEqual({
      name: 'lab',
      domain: 'ims.test',
      sites: ['here', 'there'],
      file: 'cw.yaml',
      ssh: { user: 'admin', port: 22, identityFile: 'keys/id' },
      settings: new Map([
        ['reg_max_expires', '600'],
        ['base', '0777'],
        ['smtp_username', '+16505550001'],
        ['nonce_count_supported', 'Y'],
      ]),
      secrets: new Map([
        ['signup_key', { env: 'SIGNUP_KEY' }],
        ['turn_workaround', { file: 'secrets/turn' }],
      ]),
      nodes: [
        {
          name: 'bono-1',
          address: '10.0.0.1',
          publicAddress: '203.0.113.1',
          publicHostname: 'edge.ims.test',
          site: 'here',
          roles: ['bono'],
          sharesRegistrations: false,
          sharesSubscribers: false,
          ssh: { user: 'admin', port: 22, identityFile: 'keys/id' },
          local: new Map(),
          user: new Map([['log_level', '3']]),
        },
        {
          name: 'sprout-1',
          address: '10.0.0.2',
          publicAddress: '10.0.0.2',
          publicHostname: 'sprout-1.ims.test',
          site: 'there',
          roles: ['sprout', 'homestead'],
          sharesRegistrations: false,
          sharesSubscribers: false,
          ssh: { user: 'admin', port: 2222, identityFile: 'keys/id', jump: 'ops@bastion:22' },
          local: new Map([['scscf_node_uri', 'sip:sprout-1.ims.test:5054']]),
          user: new Map([['log_level', '5']]),
        },
        {
          name: 'spare-1',
          address: '2001:db8::3',
          publicAddress: '2001:db8::3',
          publicHostname: 'spare-1.ims.test',
          site: 'here',
          roles: [],
          sharesRegistrations: false,
          sharesSubscribers: false,
          ssh: { user: 'admin', port: 22, identityFile: 'keys/id' },
          local: new Map(),
          user: new Map([['log_level', '3']]),
        },
      ],
    })
  })

  test('needs no more than a name, a domain and nodes', () => {
    const parsed = parseDeployment(
      'name: a\ndomain: b.test\nnodes: [{name: n, address: 10.0.0.1, roles: [bono]}]',
      'f',
    )

    expect(parsed).toMatchObject({ deployment: { sites: ['site1'], ssh: { user: 'root', port: 22 } } })
    expect('warnings' in parsed && parsed.warnings.map(each => each.message)).toEqual([
      'no node is a sprout: calls need one',
      'no node is a homestead: calls need one',
    ])
  })
})

describe('a fault is told at its place', () => {
  test.each<[string, string, number, number, string]>([
    // What is not there, or not known.
    ['domain: IMS.test\n', '', 1, 1, 'the file has no domain'],
    ['    address: 10.0.0.1\n', '', 18, 5, 'a node has no address'],
    ['sites:', 'site:', 3, 1, 'the file has no key "site"'],
    ['reg_max_expires', 'reg_max_expire', 8, 3, 'there is no option "reg_max_expire"'],
    [
      'log_level: 3',
      'reg_max_expires: 3',
      13,
      3,
      'reg_max_expires is not allowed here: it belongs into shared_config',
    ],
    ['base: 0777', 'billing_cdf: x', 9, 3, 'billing_cdf has no effect: it is called cdf_identity'],
    ['base: 0777', 'signup_key: x', 9, 3, 'signup_key is a secret: name where its value is, under secrets'],
    ['base: 0777', 'home_domain: x', 9, 3, 'home_domain is not set here: domain says it'],
    ['base: 0777', 'local_ip: 10.0.0.1', 9, 3, 'local_ip is not allowed here: it belongs into local_config'],
    [
      'scscf_node_uri: "sip:sprout-1.ims.test:5054"',
      'public_ip: 1.1.1.1',
      28,
      13,
      'public_ip is not set here',
    ],
    ['signup_key', 'base', 15, 3, 'base is no secret: it belongs under settings'],
    ['signup_key', 'signup_kye', 15, 3, 'there is no option "signup_kye"'],
    ['{env: SIGNUP_KEY}', '{}', 15, 15, 'signup_key has either env or file'],
    ['{env: SIGNUP_KEY}', '{env: A, file: b}', 15, 15, 'signup_key has either env or file'],
    ['{env: SIGNUP_KEY}', 's3cret', 15, 15, 'signup_key is a mapping of keys to values'],
    // Values.
    ['lab', 'Lab', 1, 7, 'name is lower-case letters'],
    ['IMS.test', 'ims_test', 2, 9, 'domain is a domain'],
    ['10.0.0.1\n', '10.0.0.256\n', 19, 14, 'address is an IPv4 or IPv6 address, not "10.0.0.256"'],
    ['10.0.0.1\n', '0.0.0.0\n', 19, 14, 'address is the address of one host'],
    ['2001:db8::3', 'fe80::1%eth0', 31, 14, 'address is an IPv4 or IPv6 address'],
    ['10.0.0.1\n', 'bono-1.ims.test\n', 19, 14, 'address is an IPv4'],
    ['user: admin', 'user: -oProxyCommand=x', 5, 9, 'user is a user name'],
    ['ops@bastion:22', 'ops@-x', 29, 29, 'jump has the form user@host:port'],
    ['port: 2222', 'port: 0', 29, 17, 'port is at least 1'],
    ['port: 2222', 'port: ssh', 29, 17, 'port is a whole number, not "ssh"'],
    ['[bono]', '[bonno]', 22, 13, 'a role is one of bono sprout'],
    ['[bono]', '[bono, bono]', 22, 19, 'the role bono is there twice'],
    ['[bono]', 'bono', 22, 12, 'roles is a list'],
    ['site: there', 'site: nowhere', 25, 11, 'the site nowhere is not among sites'],
    ['[here, there]', '[here, here]', 3, 15, 'the site here is there twice'],
    ['nonce_count_supported: Y', 'nonce_count_supported: true', 11, 26, 'is Y or N, not "true"'],
    // What two nodes cannot share.
    ['sprout-1', 'bono-1', 23, 11, 'the node name bono-1 is there twice'],
    ['10.0.0.2', '10.0.0.1', 24, 14, 'the address 10.0.0.1 is there twice'],
    ['10.0.0.2', '2001:DB8:0::3', 31, 14, 'the address 2001:db8::3 is there twice'],
    // Hostile values.
    ['domain: IMS.test', "domain: '$(reboot).test'", 2, 9, 'domain is a domain'],
    ['edge.ims.test', '"a\\nb"', 21, 22, 'public_hostname may not hold line breaks'],
    ['edge.ims.test', '";reboot"', 21, 22, 'public_hostname is a host name'],
    ['smtp_username: +16505550001', 'smtp_username: |\n    a', 10, 18, 'may not hold line breaks'],
    ['SIGNUP_KEY', '"A;B"', 15, 21, 'env is the name of an environment variable'],
    // YAML.
    ['domain', 'name', 2, 1, 'this key is there twice'],
    ['  reg_max', '\treg_max', 8, 1, 'a tab cannot indent'],
    ['user: {log_level: 5}', 'user: *u', 27, 11, 'refers to another place'],
    ['name: lab', 'name: !env lab', 1, 7, 'tags are not supported'],
    ['sites:', '---\nsites:', 3, 1, 'a second document begins here'],
    ['name: lab', 'name:', 1, 6, 'name has no value'],
    ['name: lab', 'name: [lab]', 1, 7, 'name is one value, not a list'],
    ['name: lab', '? [a]\n: lab', 1, 3, 'a key of the file is one word'],
    ['[here, there]', '[here, there', 4, 1, ''],
  ])('%j as %j', (from, to, line, column, message) => {
    const text = GOOD.replace(from, to)
    expect(text).not.toBe(GOOD)

    expect(faultsOf(text)).toContainEqual(
      expect.objectContaining({
        severity: 'error',
        line,
        column,
        message: expect.stringContaining(message) as string,
      }),
    )
  })

  test.each([
    ['sites', 'sits', 'sites'],
    ['reg_max_expires', 'reg_max_exprise', 'reg_max_expires'],
    ['[bono]', '[bonno]', 'bono'],
    ['identity_file', 'identityfile', 'identity_file'],
  ])('and %s written as %s with what was meant', (from, to, nearest) => {
    expect(faultsOf(GOOD.replace(from, to))).toContainEqual(expect.objectContaining({ nearest }))
  })
})

test('all faults are told at once, in the order of the file', () => {
  const text = GOOD.replace('reg_max_expires: 600', 'reg_max_expires: x')
    .replace('[bono]', '[bonno]')
    .replace('10.0.0.2', 'ten')
    .replace('identity_file', 'identity')
  expect(faultsOf(text)).toMatchObject([{ line: 6 }, { line: 8 }, { line: 22 }, { line: 24 }])
})

test.each([
  ['nothing', '', 'the file is empty'],
  ['a list', '- a', 'the file is a mapping'],
  ['a word', 'a', 'the file is a mapping'],
  ['no node with a role', GOOD.replaceAll(/ {4}roles.*\n/g, ''), 'no node has a role'],
  ['too much', '#'.repeat(1_000_001), 'larger than'],
  [
    'aliases within aliases',
    'a: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nname: *c',
    'refers to another place',
  ],
])('a file with %s is refused', (_, text, message) => {
  expect(faultsOf(text)).toContainEqual(
    expect.objectContaining({ message: expect.stringContaining(message) as string }),
  )
})

test('sprouts stand at two sites at most', () => {
  const node = (name: string, site: string): string =>
    `  - {name: ${name}, address: 10.1.0.${site.length}, site: ${site}, roles: [sprout]}\n`
  const sites = GOOD.replace('there]', 'there, elsewhere]')
  expect(faultsOf(`${sites}${node('sprout-2', 'here')}`)).toEqual([])

  expect(faultsOf(`${sites}${node('sprout-2', 'here')}${node('sprout-3', 'elsewhere')}`)).toMatchObject([
    {
      severity: 'error',
      message: 'sprouts share what they know between 2 sites at most: there and here have some',
    },
  ])
})

test('a file that is broken all over is told of in a hundred faults', () => {
  expect(faultsOf('['.repeat(100_000)).length).toBeLessThanOrEqual(101)
  expect(faultsOf(`${GOOD}${Array.from({ length: 500 }, (_, i) => `x${i}: 1\n`).join('')}`)).toHaveLength(101)
})

test('whatever the file holds, it is read or told what is wrong', () => {
  const piece = fc.constantFrom(
    'name',
    ': ',
    '\n',
    '  ',
    '- ',
    '{',
    '}',
    '[',
    ']',
    '&a ',
    '*a',
    '!x ',
    '"',
    "'",
    '|',
    '>',
    '#',
    '\t',
    '\0',
    '%',
    '? ',
    '---\n',
    'nodes',
    '\u2028',
    '😀',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), pieces => {
      expect(faultsOf(pieces.join('')).length).toBeGreaterThan(0)
    }),
    { numRuns: 500 },
  )
})

describe('memento reads call lists', () => {
  const file = (...nodes: readonly string[]): string =>
    `name: lab\ndomain: ims.test\nnodes:\n${nodes
      .map((roles, index) => `  - { name: n-${index}, address: 192.0.2.${index + 1}, roles: [${roles}] }\n`)
      .join('')}`
  const sentence = expect.objectContaining({
    message: 'memento reads call lists on the node of the only sprout, or where there are several homesteads',
  }) as unknown

  test.each([
    ['beside the only sprout', file('bono', 'sprout, memento', 'homestead'), false],
    ['apart from it', file('bono', 'sprout', 'homestead, memento'), true],
    ['beside one of two sprouts', file('bono', 'sprout, memento', 'sprout, homestead'), true],
    ['in Cassandra', file('bono', 'sprout', 'homestead', 'homestead', 'memento'), false],
    [
      'in Cassandra of the operator',
      `${file('bono', 'sprout', 'homestead, memento')}settings: { cassandra_hostname: cassandra.example.com }\n`,
      false,
    ],
  ])('%s', (_, text, refused) => {
    if (refused) expect(faultsOf(text)).toContainEqual(sentence)
    else expect(faultsOf(text)).not.toContainEqual(sentence)
  })
})
