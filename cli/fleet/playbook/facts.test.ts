import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { localShell } from '../testing.ts'
import { observe } from './facts.ts'

describe('observing a node', () => {
  let root = ''
  const program = (name: string, text: string): void => {
    writeFileSync(join(root, 'usr/local/bin', name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(root, 'usr/local/bin', name), 0o755)
  }
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'clearwater-facts-'))
    mkdirSync(join(root, 'etc'))
    mkdirSync(join(root, 'usr/local/bin'), { recursive: true })
  })
  afterEach(() => {
    rmSync(root, { recursive: true })
  })

  test('one script tells of files, links, packages, units, accounts and guards', async () => {
    const hostile = `/etc/it's a "$(touch pwned)" file`
    writeFileSync(join(root, hostile), 'hello\n', { mode: 0o640 })
    symlinkSync('somewhere else', join(root, 'etc/link'))
    program('dpkg-query', '[ "$4" = there ] && echo installed')
    program('systemctl', 'printf "LoadState=loaded\\nActiveState=active\\nUnitFileState=enabled\\n"')
    const manyWords = [
      'test',
      ...Array.from({ length: 5 }, () => ['1', '=', '1', '-a']).flat(),
      '1',
      '=',
      '1',
    ]

    const facts = await observe(localShell(root), [
      { ask: 'path', subject: hostile },
      { ask: 'content', subject: hostile },
      { ask: 'path', subject: '/etc/link' },
      { ask: 'path', subject: '/etc' },
      { ask: 'path', subject: '/etc/none' },
      { ask: 'content', subject: '/etc/none' },
      { ask: 'package', subject: 'there' },
      { ask: 'package', subject: 'elsewhere' },
      { ask: 'unit', subject: 'it.service' },
      { ask: 'account', subject: 'root' },
      { ask: 'account', subject: 'no-such-user' },
      { ask: 'guard', argv: manyWords },
      { ask: 'guard', argv: ['test', '$(echo 1)', '=', '1'] },
    ])

    expect(facts.path(hostile)).toMatchObject({
      is: 'file',
      mode: '0640',
      sha256: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03',
    })
    expect(facts.content(hostile)).toBe('hello\n')
    expect(facts.path('/etc/link')).toEqual({ is: 'link', target: 'somewhere else' })
    expect(facts.path('/etc')).toMatchObject({ is: 'directory' })
    expect(facts.path('/etc/none')).toEqual({ is: 'absent' })
    expect(facts.content('/etc/none')).toBeUndefined()
    expect(facts.isInstalled('there')).toBe(true)
    expect(facts.isInstalled('elsewhere')).toBe(false)
    expect(facts.unit('it.service')).toEqual({ known: true, active: true, state: 'active', enabled: true })
    expect(facts.hasAccount('root')).toBe(true)
    expect(facts.hasAccount('no-such-user')).toBe(false)
    expect(facts.guard(manyWords)).toBe(true)
    expect(facts.guard(['test', '$(echo 1)', '=', '1'])).toBe(false)
    expect(() => facts.path('/never/asked')).toThrow('nobody asked')
  })

  test('a health page is asked from the node itself', async () => {
    const server = createServer((request, response) => {
      response.statusCode = request.url === '/health' ? 200 : 404
      response.end()
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    try {
      const facts = await observe(localShell(root), [
        { ask: 'http', subject: `${origin}/health` },
        { ask: 'http', subject: `${origin}/other` },
        { ask: 'http', subject: 'http://127.0.0.1:1/health' },
      ])

      expect(facts.http(`${origin}/health`)).toBe(200)
      expect(facts.http(`${origin}/other`)).toBe(404)
      expect(facts.http('http://127.0.0.1:1/health')).toBeUndefined()
    } finally {
      server.close()
    }
  })

  test('what a login script prints is not mistaken for an answer', async () => {
    program('getent', 'echo "Welcome! cw-fact 0 absent"; exit 0')
    const facts = await observe(localShell(root), [{ ask: 'account', subject: 'someone' }])

    expect(facts.hasAccount('someone')).toBe(true)
  })
})
