import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { X509Certificate } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Authority, type Holder } from './authority.ts'

const MEMBER: Holder = { commonName: 'clearwater-etcd', hosts: ['clearwater-etcd', '10.0.0.1'] }
const CLIENT: Holder = { commonName: 'sprout-1', hosts: [] }
const YEAR_MS = 365.25 * 86_400_000

function inYears(years: number): Date {
  return new Date(Date.now() + years * YEAR_MS)
}

describe('a deployment’s authority', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'authority-'))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  /** What OpenSSL thinks, at its strictest, of a certificate for a purpose. */
  const verify = (authority: Authority, text: string, purpose: 'sslserver' | 'sslclient'): string => {
    writeFileSync(join(folder, 'authority.crt'), authority.certificate)
    writeFileSync(join(folder, 'own.pem'), text)
    const args = ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', 'authority.crt', 'own.pem']
    try {
      return execFileSync('openssl', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' }).trim()
    } catch (error) {
      return (error as { stderr: string }).stderr
    }
  }

  test('issues certificates that OpenSSL takes for what they are meant for, and nothing else', () => {
    const authority = Authority.found('lab')
    expect(verify(authority, authority.issue(MEMBER), 'sslserver')).toBe('own.pem: OK')
    expect(verify(authority, authority.issue(MEMBER), 'sslclient')).toBe('own.pem: OK')
    expect(verify(authority, authority.issue(CLIENT), 'sslclient')).toBe('own.pem: OK')
    expect(verify(authority, authority.issue(CLIENT), 'sslserver')).toContain(
      'unsuitable certificate purpose',
    )
    expect(verify(Authority.found('lab'), authority.issue(MEMBER), 'sslserver')).toMatch(/signature|issuer/)
  })

  test.each(['192.0.2.1', '2001:db8::1', '::1', '2001:db8:0:0:1::', '1:2:3:4:5:6:7:8', '::ffff:192.0.2.1'])(
    'names %s as OpenSSL reads it',
    address => {
      const text = Authority.found('lab').issue({ commonName: 'x', hosts: [address] })
      expect(new X509Certificate(text).checkIP(address)).toBe(address)
    },
  )

  test('is the same after it was kept', () => {
    const authority = Authority.found('lab')
    const kept = Authority.parse(authority.pem)
    expect(kept?.certificate).toBe(authority.certificate)
    expect(kept?.faultOf(authority.issue(CLIENT), CLIENT)).toBeUndefined()
  })

  test('is none without its own key, or with a certificate that signs none', () => {
    const [one, another] = [Authority.found('lab'), Authority.found('lab')]
    expect(Authority.parse('')).toBeUndefined()
    expect(Authority.parse(one.certificate)).toBeUndefined()
    expect(Authority.parse(one.certificate + another.pem.replace(another.certificate, ''))).toBeUndefined()
    expect(Authority.parse(one.issue(CLIENT))).toBeUndefined()
  })

  test('says why a certificate has to be issued anew', () => {
    const authority = Authority.found('lab')
    const text = authority.issue(MEMBER)
    expect(authority.faultOf(text, MEMBER)).toBeUndefined()
    expect(authority.faultOf(text, MEMBER, inYears(3.9))).toBeUndefined()
    expect(authority.faultOf(text, MEMBER, inYears(4.1))).toMatch(/^good until \d{4}-\d\d-\d\d only$/)
    expect(authority.faultOf(text, { ...MEMBER, hosts: ['10.0.0.2'] })).toBe('for another name')
    expect(authority.faultOf(text, { ...MEMBER, commonName: 'x' })).toBe('for another name')
    expect(authority.faultOf('nonsense', MEMBER)).toBe('unreadable')
    expect(Authority.found('lab').faultOf(text, MEMBER)).toBe('of another authority')
  })

  test('is good for all certificates it issues, also across the year 2050', () => {
    const authority = Authority.found('lab', inYears(20))
    expect(authority.since.getTime()).toBeLessThan(inYears(20).getTime())
    const own = new X509Certificate(authority.certificate)
    expect(new Date(own.validTo).getTime()).toBeGreaterThan(inYears(49).getTime())
  })
})
