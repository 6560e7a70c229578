import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  authParam,
  formatCredentials,
  isDigest,
  parseAuthInfo,
  parseCredentials,
  withAuthParam,
  withoutAuthParam,
} from './credentials.ts'

describe('reading credentials', () => {
  test('parameters keep their order; quotes, escapes and white space are undone', () => {
    const text =
      'Digest username="bob",\r\n realm = "a \\"b\\", c" ,nc=00000001, uri="sip:x,y@z", algorithm=MD5, response=""'
    const value = parseCredentials(text)
    expect(value).toEqual({
      scheme: 'Digest',
      params: [
        { name: 'username', value: 'bob', quoted: true },
        { name: 'realm', value: 'a "b", c', quoted: true },
        { name: 'nc', value: '00000001', quoted: false },
        { name: 'uri', value: 'sip:x,y@z', quoted: true },
        { name: 'algorithm', value: 'MD5', quoted: false },
        { name: 'response', value: '', quoted: true },
      ],
    })
  })

  test('schemes we do not know are read all the same', () => {
    expect(parseCredentials('NoOneKnowsThisScheme opaque-data=here')).toMatchObject({
      scheme: 'NoOneKnowsThisScheme',
    })
    expect(parseCredentials('Bearer eyJ/x.y-z==')?.params).toEqual([
      { name: '', value: 'eyJ/x.y-z==', quoted: false },
    ])
  })

  test.each([
    '',
    'Digest',
    'Digest ',
    'Digest a=1,',
    'Digest ,a=1',
    'Digest a="1',
    'Digest a=1 b=2',
    'Digest =1',
    '"D" a=1',
  ])('%j is refused', text => {
    expect(parseCredentials(text)).toBeUndefined()
  })

  test('Authentication-Info has no scheme', () => {
    expect(parseAuthInfo('nextnonce="abc", qop=auth')?.length).toBe(2)
  })
})

test('parameters are found without case, set and taken out', () => {
  const value = parseCredentials('digest Nonce="1", nc=00000001')
  if (value === undefined) throw new Error('unreadable')
  expect(isDigest(value)).toBe(true)
  expect(authParam(value, 'nonce')).toBe('1')
  expect(authParam(value, 'realm')).toBeUndefined()
  expect(formatCredentials(withAuthParam(value, 'nonce', '2', true))).toBe('digest nonce="2", nc=00000001')
  expect(formatCredentials(withAuthParam(value, 'stale', 'true', false))).toBe(
    'digest Nonce="1", nc=00000001, stale=true',
  )
  expect(formatCredentials(withoutAuthParam(value, 'NC'))).toBe('digest Nonce="1"')
})

test('parse after format gives the credentials again', () => {
  const name = fc.constantFrom('realm', 'nonce', 'x-y')
  const param = fc.oneof(
    fc.record({ name, value: fc.constantFrom('abc', '00000001'), quoted: fc.constant(false) }),
    fc.record({
      name,
      value: fc.string({ unit: 'binary-ascii' }).map(text => text.replace(/[\r\n]/g, ' ')),
      quoted: fc.constant(true),
    }),
  )
  const any = fc.record({ scheme: fc.constantFrom('Digest', 'X'), params: fc.array(param, { minLength: 1 }) })
  fc.assert(
    fc.property(any, value => {
      expect(parseCredentials(formatCredentials(value))).toEqual(value)
    }),
  )
})
