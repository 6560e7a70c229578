import { expect, test } from 'vitest'
import { endpointOf, jumpsOf, type SshNode } from './endpoint.ts'

const node = (jump?: string): SshNode => ({
  name: 'sprout-1',
  address: '2001:db8::1',
  ssh: { user: 'ops', port: 22, identityFile: '~/key', jump },
})

test('a node is told with its address as people write it', () => {
  expect(endpointOf(node())).toMatchObject({ host: '2001:db8::1', address: '[2001:db8::1]:22', user: 'ops' })
  expect(jumpsOf(node())).toEqual([])
})

test.each([
  ['bastion.example', 'ops', 'bastion.example', 22],
  ['root@bastion.example:2222', 'root', 'bastion.example', 2222],
  ['root@[2001:db8::2]:2222', 'root', '2001:db8::2', 2222],
])('the jump host %s is read', (jump, user, host, port) => {
  expect(jumpsOf(node(jump))).toMatchObject([{ user, host, port, identityFile: '~/key' }])
})

test('several jump hosts are read in their order', () => {
  expect(jumpsOf(node('a@outer,inner:2222')).map(({ user, address }) => `${user}@${address}`)).toEqual([
    'a@outer:22',
    'ops@inner:2222',
  ])
})

test.each(['', 'a,', 'a,,b', 'a b:c', 'host:', 'host:0', 'host:99999', '2001:db8::2'])(
  'the jump host "%s" is refused',
  jump => {
    expect(() => jumpsOf(node(jump))).toThrow(expect.objectContaining({ code: 'FILE_INVALID' }))
  },
)
