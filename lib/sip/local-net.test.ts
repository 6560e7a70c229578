import { expect, test } from 'vitest'
import { LocalNet } from './local-net.ts'

const point = { name: 'scscf', host: 'scscf.example.com', port: 5054 }
const scscf = { point, handle: () => undefined }
const icscf = { point: { ...point, name: 'icscf', port: 5052 }, handle: () => undefined }

test('a function is found by host in any case and port; port 0 stands for none', () => {
  const net = new LocalNet()
  net.announce('SCSCF.example.com', 5054, scscf)
  net.announce('scscf.example.com', 0, scscf)
  net.announce('scscf.example.com', 5052, icscf)

  expect(net.find('scscf.EXAMPLE.com', 5054)).toBe(scscf)
  expect(net.find('scscf.example.com', undefined)).toBe(scscf)
  expect(net.find('scscf.example.com', 5052)).toBe(icscf)
  expect(net.find('scscf.example.com', 5060)).toBeUndefined()
  expect(net.find('other.example.com', 5054)).toBeUndefined()
})

test('a host is known when anything answers under it', () => {
  const net = new LocalNet()
  net.announce('scscf.example.com', 5054, scscf)

  expect(net.knows('ScScf.example.com')).toBe(true)
  expect(net.knows('example.com')).toBe(false)
})
