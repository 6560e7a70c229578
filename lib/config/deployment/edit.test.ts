import { expect, test } from 'vitest'
import type { Role } from './deployment.ts'
import { withRoles } from './edit.ts'
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
