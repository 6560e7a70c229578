import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LogFile } from './log-file.ts'
import { openLog } from './log.ts'

interface Entry {
  readonly msg: string
  readonly daemon?: string
  readonly part?: string
  readonly password?: string
}

function collecting(): { readonly lines: string[]; readonly destination: { write(line: string): void } } {
  const lines: string[] = []
  return { lines, destination: { write: line => lines.push(line) } }
}

test('a level that changes counts for the parts that were made before', () => {
  const { lines, destination } = collecting()
  const log = openLog('warn', { daemon: 'sprout' }, destination)
  const part = log.with({ part: 'scscf' })

  part.info('too quiet')
  log.setLevel('info')
  part.info('heard')

  const entries = lines.map(line => JSON.parse(line) as Entry)
  expect(entries).toMatchObject([{ msg: 'heard', daemon: 'sprout', part: 'scscf' }])
})

test('a silent log keeps nothing, and a secret never reaches one', () => {
  const { lines, destination } = collecting()
  const log = openLog('silent', {}, destination)

  log.error('nobody hears this')
  log.setLevel('debug')
  log.debug('with a secret', { password: 'tiger' })

  expect(lines).toHaveLength(1)
  expect(lines[0]).not.toContain('tiger')
})

test('an error is told with its message', () => {
  const { lines, destination } = collecting()

  openLog('warn', {}, destination).error('it failed', { error: new Error('no space left') })

  expect(lines[0]).toContain('no space left')
})

test('a log file goes on under its name after it was moved away', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cw-log-'))
  try {
    const path = join(folder, 'sprout.log')
    const file = new LogFile(path)
    file.write('one\n')
    renameSync(path, `${path}.1`)
    file.write('two\n')
    file.reopen()
    file.write('three\n')
    file.close()

    expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\ntwo\n')
    expect(readFileSync(path, 'utf8')).toBe('three\n')
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('a full disk costs lines only', () => {
  const file = new LogFile('/dev/full')

  file.write('lost\n')

  expect(file.lost).toBe(1)
  file.close()
})
