import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { CwError } from '../../../lib/kit/errors.ts'
import type { NodeShell, RunOptions } from '../../fleet/ssh/shell.ts'
import { localShell } from '../../fleet/testing.ts'
import { deploymentOf } from '../testing/deployment.ts'
import type { LogEntry } from './entry.ts'
import { readLogs, type LogsReport } from './logs.ts'
import { PAGE_BYTES, PAGES_AHEAD } from './node-script.ts'
import { LogSource } from './source.ts'

const DEPLOYMENT = deploymentOf({ a: ['bono'], b: ['sprout'] })
const START = Date.parse('2020-01-01T00:00:00Z')

/** Remembers, as the real one does, in the cursor file how far it has told. */
const JOURNALCTL = `#!/bin/sh
for word; do case $word in --cursor-file=*) cursor=\${word#*=} ;; esac; done
told=0; [ -s "$cursor" ] && read -r told < "$cursor"
touch JOURNAL
tail -n "+$((told + 1))" JOURNAL; wc -l < JOURNAL > "$cursor"
`

describe('the logs of a deployment', () => {
  let folder = ''
  let temporary = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'clearwater-logs-'))
    temporary = join(folder, 'tmp')
    mkdirSync(temporary)
    vi.stubEnv('TMPDIR', temporary)
    for (const [node, daemon] of [
      ['a', 'bono'],
      ['b', 'sprout'],
    ] as const) {
      mkdirSync(join(folder, node, 'var/log', daemon), { recursive: true })
      mkdirSync(join(folder, node, 'usr/local/bin'), { recursive: true })
      const file = join(folder, node, 'usr/local/bin/journalctl')
      writeFileSync(file, JOURNALCTL.replaceAll('JOURNAL', join(folder, node, 'journal')))
      chmodSync(file, 0o755)
    }
  })
  afterEach(() => {
    vi.unstubAllEnvs()
    rmSync(folder, { recursive: true })
  })

  const logOf = (node: 'a' | 'b'): string =>
    join(folder, node, 'var/log', node === 'a' ? 'bono/bono.log' : 'sprout/sprout.log')
  const line = (ms: number, msg: string): string =>
    `${JSON.stringify({ level: 40, time: START + ms, daemon: 'x', call: 'c-1', msg })}\n`
  const journalLine = (ms: number, message: string): string =>
    `${JSON.stringify({ __REALTIME_TIMESTAMP: `${(START + ms) * 1000}`, MESSAGE: message, PRIORITY: '3', UNIT: 'clearwater-bono.service', _SYSTEMD_UNIT: 'init.scope' })}\n`

  async function read(
    onEntry: (entry: LogEntry) => void,
    options: Partial<Parameters<typeof readLogs>[0]> = {},
  ): Promise<LogsReport> {
    return readLogs({
      ...{ deployment: DEPLOYMENT, nodes: DEPLOYMENT.nodes, fleet: {}, since: START, follow: false },
      signal: new AbortController().signal,
      onEntry: async entry => {
        onEntry(entry)
      },
      open: () => ({
        shell: name => localShell(join(folder, name), name),
        [Symbol.asyncDispose]: async () => undefined,
      }),
      ...options,
    })
  }

  async function messages(options: Partial<Parameters<typeof readLogs>[0]> = {}): Promise<readonly string[]> {
    const found: string[] = []
    await read(entry => found.push(`${entry.node} ${entry.message}`), options)
    return found
  }

  test('are merged by time: files, rotated files and journals of all nodes', async () => {
    writeFileSync(`${logOf('a')}.2.gz`, gzipSync(line(-5, 'too old') + line(1, 'one')))
    writeFileSync(`${logOf('a')}.1`, line(3, 'three'))
    writeFileSync(logOf('a'), line(6, 'six'))
    writeFileSync(logOf('b'), `${line(2, 'two')}no JSON at all\n${line(7, 'seven')}`)
    writeFileSync(join(folder, 'a/journal'), journalLine(4, 'four') + journalLine(5, 'five'))

    expect(await messages()).toEqual(['a one', 'b two', 'a three', 'a four', 'a five', 'a six', 'b seven'])
    expect(await messages({ until: START + 3 })).toContain('b two')
    expect(await messages({ until: START + 3 })).not.toContain('a three')
    expect(readdirSync(temporary)).toEqual([])
  })

  test('tell daemon, level and details of each line', async () => {
    writeFileSync(logOf('b'), line(2, 'two'))
    writeFileSync(join(folder, 'a/journal'), journalLine(1, 'died'))
    const entries: LogEntry[] = []
    await read(entry => entries.push(entry))

    expect(entries).toEqual([
      {
        ...{ at: '2020-01-01T00:00:00.001Z', node: 'a', daemon: 'bono', level: 'error' },
        ...{ message: 'died', fields: {} },
      },
      {
        ...{ at: '2020-01-01T00:00:00.002Z', node: 'b', daemon: 'sprout', level: 'warn' },
        ...{ message: 'two', fields: { call: 'c-1' } },
      },
    ])
  })

  test('go on with what is logged later, over a rotation, until they are told to stop', async () => {
    writeFileSync(logOf('a'), line(1, 'one'))
    const stop = new AbortController()
    const found: string[] = []
    await read(
      ({ message }) => {
        found.push(message)
        if (message === 'one') {
          appendFileSync(logOf('a'), line(2, 'before the rotation'))
          renameSync(logOf('a'), `${logOf('a')}.1`)
          writeFileSync(logOf('a'), line(3, 'after it'))
          appendFileSync(join(folder, 'a/journal'), journalLine(4, 'journal'))
        }
        if (message === 'journal') stop.abort()
      },
      { follow: true, signal: stop.signal },
    )

    expect(found).toEqual(['one', 'before the rotation', 'after it', 'journal'])
  })

  test('of a node that cannot be reached are told as missing, and the others are read', async () => {
    writeFileSync(logOf('b'), line(1, 'one'))
    const gone = {
      node: 'a',
      script: async () => {
        throw new CwError('NODE_UNREACHABLE', 'a is gone')
      },
    } as unknown as NodeShell
    const report = await read(() => undefined, {
      open: () => ({
        shell: name => (name === 'a' ? gone : localShell(join(folder, name), name)),
        [Symbol.asyncDispose]: async () => undefined,
      }),
    })

    expect(report).toMatchObject({ count: 1, failed: [{ node: 'a', error: { code: 'NODE_UNREACHABLE' } }] })
  })

  test('come no faster than they are read, however much a node has', async () => {
    const count = 12_007
    writeFileSync(logOf('a'), Array.from({ length: count }, (_, index) => line(index, `${index}`)).join(''))
    const shell = localShell(join(folder, 'a'), 'a')
    let heard = 0
    const counting: NodeShell = Object.assign(Object.create(shell) as NodeShell, {
      node: 'a',
      script: (text: string, args: readonly string[], options: RunOptions) =>
        shell.script(text, args, {
          ...options,
          onLine: (each, stream) => {
            heard += Buffer.byteLength(each) + 1
            options.onLine?.(each, stream)
          },
        }),
    })
    const source = new LogSource(
      counting,
      ['bono'],
      { since: START, follow: false },
      new AbortController().signal,
    )
    let taken = 0
    let read = 0
    let most = 0
    while (!source.ended) {
      if (source.head === undefined) {
        await new Promise<void>(resolve => {
          source.onNews(resolve)
        })
        continue
      }
      most = Math.max(most, heard - read)
      expect(source.head.line).toContain(`"msg":"${taken}"`)
      read += source.head.bytes
      source.take()
      taken++
      // A reader that lets everything else go first.
      if (taken % 50 === 0) await new Promise(resolve => setTimeout(resolve, 1))
    }

    expect(source.error).toBeUndefined()
    expect(taken).toBe(count)
    expect(read).toBeGreaterThan(PAGE_BYTES * PAGES_AHEAD * 3)
    expect(most).toBeLessThanOrEqual(PAGE_BYTES * (PAGES_AHEAD + 1))
  })
})
