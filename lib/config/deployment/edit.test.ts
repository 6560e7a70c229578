import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Role } from './deployment.ts'
import { withoutNode, withRoles } from './edit.ts'
import { parseDeployment } from './parse.ts'

const FILE = `# The lab.
name: lab
domain: ims.test
nodes:
  # The edge.
  - name: bono-1   # in rack 3
    address: 10.0.0.1
    roles: [bono]  # alone
  - name: sprout-1
    roles:
      - sprout     # the first
      - ralf
    address: 10.0.0.2
  - { name: spare-1, address: 10.0.0.3 }
  - name: spare-2
    address: 10.0.0.4

  - {name: homestead-1, address: 10.0.0.5, roles: [homestead]}
# The end.
`

test('roles change, and nothing else in the file', () => {
  const roles = new Map<string, readonly Role[]>([
    ['bono-1', []],
    ['sprout-1', ['ralf']],
    ['spare-1', ['sprout']],
    ['spare-2', ['bono', 'sprout']],
    ['homestead-1', ['homestead', 'homer']],
  ])

  const edited = withRoles(FILE, roles)

  expect(edited).toBe(`# The lab.
name: lab
domain: ims.test
nodes:
  # The edge.
  - name: bono-1   # in rack 3
    address: 10.0.0.1
    roles: []  # alone
  - name: sprout-1
    roles: [ralf]
    address: 10.0.0.2
  - { name: spare-1, address: 10.0.0.3, roles: [sprout] }
  - name: spare-2
    address: 10.0.0.4
    roles: [bono, sprout]

  - {name: homestead-1, address: 10.0.0.5, roles: [homestead, homer]}
# The end.
`)
  const parsed = parseDeployment(edited, 'cw.yaml')
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults))
  for (const { name, roles: has } of parsed.deployment.nodes) expect(has, name).toEqual(roles.get(name))
})

test('nodes that are not named stay as they are', () => {
  expect(withRoles(FILE, new Map([['nobody', ['bono']]]))).toBe(FILE)
})

describe('a node that is taken out', () => {
  const TEXT = `name: lab
nodes:
  # the edge
  - name: bono-1
    address: 10.0.0.1 # rack 7
    roles: [bono]

  # its neighbour
  - { name: sprout-1, address: 10.0.0.2, roles: [sprout] } # burnt
  - name: sprout-2
    address: 10.0.0.3
    roles:
      - sprout
# the end
`
  const names = (text: string): unknown =>
    (parse(text) as { nodes: readonly { name: string }[] }).nodes.map(({ name }) => name)

  test('goes with its lines; everything else stays as it is', () => {
    expect(withoutNode(TEXT, 'sprout-1')).toBe(TEXT.replace(/ {2}- \{ name: sprout-1.*\n/, ''))
    expect(withoutNode(TEXT, 'sprout-2')).toBe(TEXT.replace(/ {2}- name: sprout-2\n(.*\n){3}/, ''))
    expect(names(withoutNode(TEXT, 'bono-1'))).toEqual(['sprout-1', 'sprout-2'])
    expect(withoutNode(TEXT, 'bono-1')).toContain('# its neighbour')
  })

  test('goes from a list on one line too', () => {
    const flow = 'nodes: [{ name: a, address: 10.0.0.1 }, { name: b, address: 10.0.0.2 }, {name: c}] # all\n'

    expect(names(withoutNode(flow, 'a'))).toEqual(['b', 'c'])
    expect(names(withoutNode(flow, 'b'))).toEqual(['a', 'c'])
    expect(withoutNode(flow, 'c')).toBe(
      'nodes: [{ name: a, address: 10.0.0.1 }, { name: b, address: 10.0.0.2 }] # all\n',
    )
  })
})
