import { expect, test } from 'vitest'
import { endpointOf, jumpOf, type SshNode } from './endpoint.ts'

const node = (jump?: string): SshNode => ({
  name: 'sprout-1',
  address: '2001:db8::1',
  ssh: { user: 'ops', port: 22, identityFile: '~/key', jump },
})

test('a node is told with its address as people write it', () => {
  expect(endpointOf(node())).toMatchObject({ host: '2001:db8::1', address: '[2001:db8::1]:22', user: 'ops' })
  expect(jumpOf(node())).toBeUndefined()
})

test.each([
  ['bastion.example', 'ops', 'bastion.example', 22],
  ['root@bastion.example:2222', 'root', 'bastion.example', 2222],
  ['root@[2001:db8::2]:2222', 'root', '2001:db8::2', 2222],
])('the jump host %s is read', (jump, user, host, port) => {
  expect(jumpOf(node(jump))).toMatchObject({ user, host, port, identityFile: '~/key' })
})

test.each(['', 'a b:c', 'host:', 'host:0', 'host:99999', '2001:db8::2'])(
  'the jump host "%s" is refused',
  jump => {
    expect(() => jumpOf(node(jump))).toThrow(expect.objectContaining({ code: 'FILE_INVALID' }))
  },
)
