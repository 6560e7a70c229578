import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CwError } from '../../lib/kit/errors.ts'
import type { NodeShell } from '../fleet/ssh/shell.ts'
import { localShell } from '../fleet/testing.ts'
import { execOnNodes, type ExecReport } from './exec.ts'
import { deploymentOf } from './testing/deployment.ts'

const { nodes } = deploymentOf({ a: ['bono'], b: ['sprout'], c: [] })

describe('a command on nodes', () => {
  let root = ''
  const lines: string[] = []
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'clearwater-exec-'))
  })
  afterAll(() => {
    rmSync(root, { recursive: true })
  })

  async function exec(argv: readonly string[], gone: readonly string[] = []): Promise<ExecReport> {
    lines.length = 0
    return execOnNodes({
      ...{ nodes, argv, sudo: false, deadlineMs: 10_000, parallel: 2, fleet: {} },
      signal: new AbortController().signal,
      onLine: (node, line, stream) => lines.push(`${node} ${stream} ${line}`),
      open: () => ({
        shell: name => (gone.includes(name) ? goneShell(name) : localShell(root, name)),
        [Symbol.asyncDispose]: async () => undefined,
      }),
    })
  }

  test('gets its arguments as they are, and tells each line with its node', async () => {
    const report = await exec(['printf', '%s\n', `it's $(id) "\\;`])

    expect(lines.toSorted()).toEqual(['a', 'b', 'c'].map(node => `${node} stdout it's $(id) "\\;`))
    expect(report.error).toBeUndefined()
    expect(report.nodes[0]).toEqual({ node: 'a', code: 0, stdout: `it's $(id) "\\;\n`, stderr: '' })
  })

  test('that fails somewhere is done on the others, and every exit code is told', async () => {
    const { nodes: exits, error } = await exec(['sh', '-c', 'echo oh >&2; exit 3'], ['b'])

    expect(exits.map(({ node, code, error: why }) => [node, code ?? why?.code])).toEqual([
      ['a', 3],
      ['b', 'NODE_UNREACHABLE'],
      ['c', 3],
    ])
    expect(lines).toContain('c stderr oh')
    expect(error).toMatchObject({ code: 'COMMAND_FAILED', message: 'the command failed on 3 of 3 nodes' })
    expect(error?.detail.why).toBe('a: exit code 3\nb: b is gone\nc: exit code 3')
  })

  test('that reaches nobody ends with the code for that', async () => {
    expect((await exec(['true'], ['a', 'b', 'c'])).error?.exitCode).toBe(7)
  })
})

function goneShell(node: string): NodeShell {
  const gone = async () => {
    throw new CwError('NODE_UNREACHABLE', `${node} is gone`)
  }
  return { node, run: gone } as unknown as NodeShell
}
