import { describe, expect, test } from 'vitest'
import { parseCredentials, withAuthParam, type Credentials } from './credentials.ts'
import {
  digestAlgorithm,
  digestResponse,
  equalInConstantTime,
  formatNonceCount,
  ha1Of,
  parseNonceCount,
  verifyDigest,
  type DigestAlgorithm,
} from './digest.ts'

function credentials(text: string): Credentials {
  const value = parseCredentials(text)
  if (value === undefined) throw new Error(`unreadable: ${text}`)
  return value
}

describe('the examples of the specifications', () => {
  test('RFC 2617 §3.5: MD5 with qop=auth', () => {
    const ha1 = ha1Of('Mufasa', 'testrealm@host.com', 'Circle Of Life')
    expect(ha1).toBe('939e7578ed9e3c518a452acee763bce9')
    const header = credentials(
      'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", ' +
        'uri="/dir/index.html", qop=auth, nc=00000001, cnonce="0a4f113b", ' +
        'response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41"',
    )
    expect(verifyDigest(header, { ha1, method: 'GET' })).toBe(true)
    expect(verifyDigest(header, { ha1, method: 'POST' })).toBe(false)
  })

  test.each<[DigestAlgorithm, string]>([
    ['MD5', '8ca523f5e9506fed4657c9700eebdbec'],
    ['SHA-256', '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1'],
  ])('RFC 7616 §3.9.1: %s', (algorithm, response) => {
    const ha1 = ha1Of('Mufasa', 'http-auth@example.org', 'Circle of Life', algorithm)
    const header = credentials(
      'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", ' +
        `algorithm=${algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, ` +
        `cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="${response}"`,
    )
    expect(verifyDigest(header, { ha1, method: 'GET' })).toBe(true)
  })

  test('RFC 2069 §2.4 as corrected: no qop', () => {
    const ha1 = ha1Of('Mufasa', 'testrealm@host.com', 'CircleOfLife')
    const header = credentials(
      'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", ' +
        'uri="/dir/index.html", response="1949323746fe6a43ef61f9606e7febea"',
    )
    expect(verifyDigest(header, { ha1, method: 'GET' })).toBe(true)
  })
})

describe('judging a response', () => {
  const ha1 = ha1Of('6505550000@example.com', 'example.com', 'secret')
  const base = credentials(
    'Digest username="6505550000@example.com", realm="example.com", nonce="n", uri="sip:example.com", ' +
      'qop=auth, nc=00000001, cnonce="c"',
  )
  const input = {
    ha1,
    method: 'REGISTER',
    uri: 'sip:example.com',
    nonce: 'n',
    nc: '00000001',
    cnonce: 'c',
    body: '',
  } as const

  test.each<DigestAlgorithm>(['MD5', 'MD5-sess', 'SHA-256', 'SHA-256-sess'])(
    '%s, auth and auth-int',
    algorithm => {
      for (const qop of ['auth', 'auth-int'] as const) {
        const response = digestResponse({ ...input, algorithm, qop, body: 'v=0\xe9' })
        let header = withAuthParam(base, 'algorithm', algorithm, false)
        header = withAuthParam(withAuthParam(header, 'qop', qop, false), 'response', response, true)
        expect(verifyDigest(header, { ha1, method: 'REGISTER', body: 'v=0\xe9' })).toBe(true)
        expect(verifyDigest(header, { ha1, method: 'REGISTER', body: 'v=1' })).toBe(qop === 'auth')
        expect(verifyDigest(header, { ha1: 'x', method: 'REGISTER', body: 'v=0\xe9' })).toBe(false)
      }
    },
  )

  test('an upper-case response counts; what is missing or unknown does not', () => {
    const right = digestResponse({ ...input, algorithm: 'MD5', qop: 'auth' })
    const header = withAuthParam(base, 'response', right.toUpperCase(), true)
    const check = { ha1, method: 'REGISTER' }
    expect(verifyDigest(header, check)).toBe(true)
    expect(verifyDigest(withAuthParam(header, 'response', right.slice(1), true), check)).toBe(false)
    expect(verifyDigest(withAuthParam(header, 'algorithm', 'AKAv1-MD5', false), check)).toBe(false)
    expect(verifyDigest(withAuthParam(header, 'qop', 'other', false), check)).toBe(false)
    expect(verifyDigest({ ...header, scheme: 'Basic' }, check)).toBe(false)
    expect(verifyDigest(base, check)).toBe(false)
    for (const name of ['uri', 'nonce', 'cnonce', 'nc']) {
      const params = header.params.filter(param => param.name !== name)
      expect(verifyDigest({ ...header, params }, check)).toBe(false)
    }
  })
})

test('algorithms by name, nonce counts by their digits', () => {
  expect([undefined, 'md5', 'sha-256', 'SHA-512'].map(digestAlgorithm)).toEqual([
    'MD5',
    'MD5',
    'SHA-256',
    undefined,
  ])
  expect(['00000001', 'FFffFFff', '1', '0000000g'].map(parseNonceCount)).toEqual([
    1,
    4294967295,
    undefined,
    undefined,
  ])
  expect(formatNonceCount(26)).toBe('0000001a')
})

test('comparing takes texts of any length', () => {
  expect([
    equalInConstantTime('a', 'a'),
    equalInConstantTime('a', 'b'),
    equalInConstantTime('a', 'ab'),
  ]).toEqual([true, false, false])
})
