import { describe, expect, test } from 'vitest'
import { CwError } from '../../kit/errors.ts'
import { parseClusterSettings } from './cluster-settings.ts'

describe('cluster_settings', () => {
  test.each([
    ['servers=10.0.0.1:11211,10.0.0.2:11211', { servers: ['10.0.0.1:11211', '10.0.0.2:11211'] }],
    ['# ours\n\n servers = 10.0.0.1:11211 , \r\n', { servers: ['10.0.0.1:11211'] }],
    ['servers=[fd00::1]:11211', { servers: ['[fd00::1]:11211'] }],
    ['servers=a:1\nnew_servers=a:1,b:1', { servers: ['a:1'], newServers: ['a:1', 'b:1'] }],
    ['servers=\nnew_servers=b:1', { servers: ['b:1'] }],
    ['servers=a:1,a:1', { servers: ['a:1'] }],
  ])('%j', (text, view) => {
    expect(parseClusterSettings(text, 'cluster_settings')).toEqual(view)
  })

  test.each([
    ['servers=10.0.0.1', 1],
    ['servers=10.0.0.1:0', 1],
    ['servers=10.0.0.1:99999', 1],
    ['servers=fd00::1:11211', 1],
    ['# x\nservres=10.0.0.1:11211', 2],
    ['servers=a:1\nservers=b:1', 2],
    ['servers', 1],
    ['', undefined],
    ['servers=\nnew_servers=', undefined],
  ])('%j is refused', (text, line) => {
    const read = (): unknown => parseClusterSettings(text, 'cluster_settings')

    expect(read).toThrow(CwError)
    try {
      read()
    } catch (error) {
      expect(error).toMatchObject({ code: 'FILE_INVALID' })
      expect((error as CwError).detail.where?.line).toBe(line)
    }
  })
})
