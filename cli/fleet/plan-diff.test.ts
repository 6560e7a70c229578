import { describe, expect, test } from 'vitest'
import type { FileChange } from './actions/file.ts'
import type { Planned } from './plan.ts'
import { diffsOf, redact, textsNeeded } from './plan-diff.ts'
import { sha256Of } from './playbook/digest.ts'

const NONE = { names: [], values: [] }

function planned(
  ...changes: readonly { node: string; path: string; next: string; before?: string }[]
): Planned {
  return {
    contents: new Map(changes.map(({ next }) => [sha256Of(next), next])),
    plan: {
      operation: 'deploy',
      deployment: 'test',
      drift: [],
      steps: changes.map(({ node, path, next, before }) => {
        const change: FileChange = {
          action: 'file',
          summary: `change ${path}`,
          ...{ path, mode: '0644', owner: 'root:root', sha256: sha256Of(next) },
          ...(before === undefined ? {} : { before: sha256Of(before) }),
          record: { as: path, sha256: sha256Of(next) },
        }
        return { id: `base/files@${node}`, phase: 'base', node, title: 'files', changes: [change] }
      }),
    },
  }
}

describe('diffs of a plan', () => {
  test('are unified, and told once for all nodes that share them', () => {
    const plan = planned(
      { node: 'a', path: '/etc/x', before: 'one\ntwo\n', next: 'one\n2\n' },
      { node: 'b', path: '/etc/x', before: 'one\ntwo\n', next: 'one\n2\n' },
      { node: 'c', path: '/etc/x', before: 'one\nTWO\n', next: 'one\n2\n' },
    )
    const diffs = diffsOf(plan, node => (node === 'c' ? 'one\nTWO\n' : 'one\ntwo\n'), NONE)

    expect(diffs.map(({ nodes }) => nodes)).toEqual([['a', 'b'], ['c']])
    expect(diffs[0]?.patch).toContain('--- /etc/x\n+++ /etc/x\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n')
    expect([...textsNeeded(plan).keys()]).toEqual(['a', 'b', 'c'])
  })

  test('a new file is shown whole', () => {
    const [diff] = diffsOf(planned({ node: 'a', path: '/etc/x', next: 'one\n' }), () => undefined, NONE)

    expect(diff?.patch).toContain('--- /dev/null\n+++ /etc/x\n@@ -0,0 +1,1 @@\n+one\n')
  })

  test('a secret that changes is told without either of its values', () => {
    const plan = planned({ node: 'a', path: '/etc/x', before: "key='old!'\n", next: "key='new!'\n" })
    const [diff] = diffsOf(plan, () => "key='old!'\n", { names: ['key'], values: [] })

    expect(diff?.patch).toContain('only secrets change')
    expect(diff?.patch).not.toMatch(/old!|new!/)
  })
})

describe('redaction', () => {
  test.each([
    ['by the name of its option', "a=1\nkey='it'\\''s\nover lines'\nb=2\n", 'a=1\nkey=<redacted>\nb=2\n'],
    ['unquoted', 'key=word\n', 'key=<redacted>\n'],
    ['exported', ' export \tkey=word\nb=2\n', ' export \tkey=<redacted>\nb=2\n'],
    ['of parts', 'key=a"b\\"\n"c\\\nd\nb=2\n', 'key=<redacted>\nb=2\n'],
    ['with words behind it', 'key=one two\nb=2\n', 'key=<redacted>\nb=2\n'],
    ['with a quote that is left open', "key='one\nb=2\n", 'key=<redacted>'],
    ['by its value, wherever it stands', '{"other":"hunter2"}', '{"other":"<redacted>"}'],
    ['not in a name that only ends alike', 'monkey=word\n', 'monkey=word\n'],
  ])('%s', (_what, text, shown) => {
    expect(redact(text, { names: ['key'], values: ['hunter2', ''] })).toBe(shown)
  })
})
