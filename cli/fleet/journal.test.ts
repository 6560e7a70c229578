import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Journal, journalFolder, readOperation, readOperations, type OperationStarted } from './journal.ts'

const STARTED: OperationStarted = {
  event: 'operation.started',
  id: 'one',
  operation: 'deploy',
  deployment: 'test',
  by: 'ops@desk',
  file: '/home/ops/cw.yaml',
  options: { only: ['sprout-1'] },
  steps: ['base/packages@a', 'base/files@a'],
}

describe('the journal of an operation', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'clearwater-journal-'))
  })
  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  test('tells what was started, how far it came and how it ended', () => {
    using journal = Journal.open(folder, 'one', () => new Date(0))
    journal.append(STARTED)
    journal.append({ event: 'step.started', step: 'base/packages@a', title: 'Debian packages', changes: [] })
    journal.append({ event: 'step.done', step: 'base/packages@a', ms: 12 })

    expect(readOperations(folder)).toMatchObject([
      {
        id: 'one',
        options: { only: ['sprout-1'] },
        outcome: 'running',
        done: 1,
        at: '1970-01-01T00:00:00.000Z',
      },
    ])

    journal.append({ event: 'operation.ended', outcome: 'incomplete', why: 'interrupted' })
    expect(readOperations(folder)[0]?.outcome).toBe('incomplete')

    journal.append({ event: 'operation.resumed', by: 'ops@desk', steps: ['base/files@a'] })
    expect(readOperations(folder)[0]?.outcome).toBe('running')

    journal.append({ event: 'operation.ended', outcome: 'done' })
    expect(readOperations(folder)[0]?.outcome).toBe('done')
  })

  test('a torn last line costs that line only, also when the operation goes on', () => {
    Journal.open(folder, 'one')[Symbol.dispose]()
    using first = Journal.open(folder, 'one')
    first.append(STARTED)
    appendFileSync(join(folder, 'one.jsonl'), '{"at":"1970-01-01T00:00:00.000Z","event":"step.do')
    using second = Journal.open(folder, 'one')
    second.append({ event: 'step.done', step: 'base/packages@a', ms: 1 })

    expect(readOperations(folder)).toMatchObject([{ id: 'one', done: 1 }])
  })

  test('what append returned from is there after kill -9', async () => {
    const script = `
      import { Journal } from ${JSON.stringify(join(import.meta.dirname, 'journal.ts'))}
      const journal = Journal.open(process.argv[1], 'one')
      journal.append(${JSON.stringify(STARTED)})
      for (let ms = 0; ; ms++) {
        journal.append({ event: 'step.done', step: 'step-' + ms, ms })
        process.stdout.write(ms + '\\n')
      }`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let told = ''
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      told += chunk.toString()
      if (told.length > 500) break
    }
    child.kill('SIGKILL')
    await once(child, 'close')

    const last = told.split('\n').at(-2) ?? ''
    const record = readOperation(readFileSync(join(folder, 'one.jsonl'), 'utf8'))
    expect(record?.entries).toContainEqual(expect.objectContaining({ step: `step-${last}` }))
  })

  test('a copy gets what was written before it came, and all that follows', () => {
    using journal = Journal.open(folder, 'one')
    journal.append(STARTED)
    const copy: string[] = []
    journal.mirrorTo((index, line) => (copy[index] = line))
    journal.append({ event: 'operation.ended', outcome: 'done' })

    expect(`${copy.join('\n')}\n`).toBe(readFileSync(join(folder, 'one.jsonl'), 'utf8'))
  })

  test('lies in the state folder of the operator', () => {
    expect(journalFolder('x', { XDG_STATE_HOME: '/state' })).toBe('/state/clearwater/x/operations')
  })
})
