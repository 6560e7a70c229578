import { createHmac } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { hostKeyAlgorithms } from './host-keys.ts'
import { fingerprintOf, keyTypeOf, KnownHosts, parseKnownHosts } from './known-hosts.ts'

/** A key's bytes as they stand in the file: its type, then whatever makes it different. */
function key(type: string, content: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(type.length)
  return Buffer.concat([length, Buffer.from(type + content)])
}

const ed25519 = key('ssh-ed25519', 'first')
const other = key('ssh-ed25519', 'other')
const rsa = key('ssh-rsa', 'long')
const base64 = (bytes: Buffer): string => bytes.toString('base64')

function hashed(name: string): string {
  const salt = Buffer.from('twenty bytes of salt')
  return `|1|${base64(salt)}|${base64(createHmac('sha1', salt).update(name).digest())}`
}

describe('known hosts', () => {
  let dir = ''
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'clearwater-known-hosts-'))
  })
  afterEach(() => {
    rmSync(dir, { recursive: true })
  })

  const read = (...lines: string[]): Promise<KnownHosts> => {
    writeFileSync(join(dir, 'known_hosts'), lines.join('\n'))
    return new KnownHosts(join(dir, 'known_hosts'), [join(dir, 'none')]).load()
  }

  test.each([
    ['an address', '192.0.2.1', '192.0.2.1', 22],
    ['one of several names', 'web.example,192.0.2.1', '192.0.2.1', 22],
    ['a name in other letters', 'Node.Example', 'nODE.example', 22],
    ['a port', '[192.0.2.1]:2222', '192.0.2.1', 2222],
    ['IPv6', '2001:db8::1', '2001:DB8::1', 22],
    ['IPv6 and a port', '[2001:db8::1]:2222', '2001:db8::1', 2222],
    ['a pattern', '*.example', 'node.example', 22],
    ['a pattern of one character', '192.0.2.?', '192.0.2.1', 22],
    ['a hash', hashed('192.0.2.1'), '192.0.2.1', 22],
    ['a hash with a port', hashed('[192.0.2.1]:2222'), '192.0.2.1', 2222],
  ])('a host is found by %s', async (_, name, host, port) => {
    const hosts = await read(`${name} ssh-ed25519 ${base64(ed25519)} a comment`)
    expect(hosts.check(host, port, ed25519)).toEqual({ kind: 'known' })
    expect(hosts.check(host, port, other).kind).toBe('changed')
  })

  test.each([
    ['another port', '192.0.2.1', 2222],
    ['another name', '192.0.2.11', 22],
  ])('%s is another host', async (_, host, port) => {
    const hosts = await read(`192.0.2.1 ssh-ed25519 ${base64(ed25519)}`)
    expect(hosts.check(host, port, ed25519)).toEqual({ kind: 'unknown' })
  })

  test('a pattern with ! leaves a host out', async () => {
    const hosts = await read(`*.example,!bad.example ssh-ed25519 ${base64(ed25519)}`)
    expect(hosts.check('good.example', 22, ed25519).kind).toBe('known')
    expect(hosts.check('bad.example', 22, ed25519).kind).toBe('unknown')
  })

  test('a dot in a pattern is a dot', async () => {
    const hosts = await read(`192.0.2.* ssh-ed25519 ${base64(ed25519)}`)
    expect(hosts.check('192x0x2x1', 22, ed25519).kind).toBe('unknown')
  })

  test('one of several keys of a host is enough, and the nearest is told when none is right', async () => {
    const hosts = await read(`a ssh-rsa ${base64(rsa)}`, '', `a ssh-ed25519 ${base64(ed25519)}`)
    expect(hosts.check('a', 22, rsa).kind).toBe('known')
    expect(hosts.check('a', 22, ed25519).kind).toBe('known')
    expect(hosts.check('a', 22, other)).toEqual({
      kind: 'changed',
      known: {
        file: join(dir, 'known_hosts'),
        line: 3,
        keyType: 'ssh-ed25519',
        fingerprint: fingerprintOf(ed25519),
      },
    })
    expect(hosts.keyTypes('a', 22)).toEqual(['ssh-rsa', 'ssh-ed25519'])
  })

  test('a revoked key is refused even if another line trusts it', async () => {
    const hosts = await read(`a ssh-ed25519 ${base64(ed25519)}`, `@revoked * ssh-ed25519 ${base64(ed25519)}`)
    expect(hosts.check('a', 22, ed25519)).toMatchObject({ kind: 'revoked', known: { line: 2 } })
    expect(hosts.check('b', 22, other).kind).toBe('unknown')
  })

  test('lines that make no sense are passed over', () => {
    const lines = [
      '# comment',
      '',
      '   ',
      'a',
      'a ssh-ed25519',
      'a ssh-ed25519 ====',
      `a ssh-rsa ${base64(ed25519)}`,
      `@cert-authority * ssh-ed25519 ${base64(ed25519)}`,
      `|2|x|y ssh-ed25519`,
      `a ssh-ed25519 ${'A'.repeat(40_000)}`,
      `  good ssh-ed25519 ${base64(ed25519)}\r`,
    ]
    expect(parseKnownHosts(lines.join('\n'), 'f').map(each => [each.line, each.patterns])).toEqual([
      [11, 'good'],
    ])
  })

  test('any text can be read', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (text, host) => {
        parseKnownHosts(`${text} ssh-ed25519 ${base64(ed25519)}\n${text}`, host)
        keyTypeOf(Buffer.from(text))
      }),
    )
  })

  test('a new host is added on a line of its own, by any number at once, and found again', async () => {
    const hosts = await read(`a ssh-ed25519 ${base64(ed25519)}`)
    await Promise.all(Array.from({ length: 20 }, (_, index) => hosts.add(`n${index}`, 2222, other)))

    const lines = readFileSync(join(dir, 'known_hosts'), 'utf8').trimEnd().split('\n')
    expect(lines).toHaveLength(21)
    expect(lines).toContain(`[n7]:2222 ssh-ed25519 ${base64(other)}`)
    expect(hosts.check('n7', 2222, other).kind).toBe('known')
    expect(hosts.check('a', 22, ed25519).kind).toBe('known')
  })

  test('a file that cannot be used is an error with its name', async () => {
    mkdirSync(join(dir, 'folder'))
    await expect(new KnownHosts(join(dir, 'folder')).load()).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
      detail: { where: { file: join(dir, 'folder') } },
    })
    await expect(new KnownHosts('/dev/null/known_hosts').add('a', 22, other)).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
    })
  })
})

test('a host is asked for the key types that are known of it first, and never by SHA-1', () => {
  expect(hostKeyAlgorithms(['ssh-rsa'])[0]).toBe('rsa-sha2-512')
  expect(hostKeyAlgorithms([])[0]).toBe('ssh-ed25519')
  expect(hostKeyAlgorithms(['ssh-dss'])).not.toContain('ssh-rsa')
})
