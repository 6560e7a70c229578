import { createTwoFilesPatch } from 'diff'
import type { FileChange } from './actions/file.ts'
import type { Planned } from './plan.ts'

/** What changes in a file, once for all nodes where the same changes. */
export interface FileDiff {
  readonly path: string
  readonly nodes: readonly string[]
  /** Unified, with secrets redacted. */
  readonly patch: string
}

/** What must not be shown: options by name, and values wherever they stand. */
export interface Secrets {
  readonly names: readonly string[]
  readonly values: readonly string[]
}

const REDACTED = '<redacted>'
const PRIVATE_KEY = /-----BEGIN ([A-Z ]*)PRIVATE KEY-----[^]*?(?:-----END \1PRIVATE KEY-----|$)/g
/** A shorter value would be found in half of the words. */
const SHORTEST_VALUE = 4

/** The texts of the files as they are now, by node and path. */
export type CurrentTexts = (node: string, path: string) => string | undefined

/** Unified diffs of everything that a plan writes, grouped over the nodes that share them. */
export function diffsOf({ plan, contents }: Planned, current: CurrentTexts, secrets: Secrets): FileDiff[] {
  const groups = new Map<string, { path: string; nodes: string[]; patch: string }>()
  for (const { node, changes } of plan.steps) {
    for (const change of changes) {
      const text = textOf(change, contents)
      if (text === undefined) continue
      const now = text.exists ? (current(node, text.path) ?? '') : ''
      const patch = patchOf(
        text.path,
        text.exists,
        redact(now, secrets),
        redact(text.next, secrets),
        now === text.next,
      )
      const key = `${text.path}\0${patch}`
      const group = groups.get(key) ?? { path: text.path, nodes: [], patch }
      group.nodes.push(node)
      groups.set(key, group)
    }
  }
  return [...groups.values()]
}

interface Text {
  readonly path: string
  readonly exists: boolean
  readonly next: string
}

function textOf(
  change: Planned['plan']['steps'][number]['changes'][number],
  contents: Planned['contents'],
): Text | undefined {
  const next = 'sha256' in change ? contents.get(change.sha256) : undefined
  if (next === undefined) return undefined
  if (change.action === 'file' || change.action === 'block') {
    return { path: change.path, exists: change.before !== undefined, next }
  }
  return change.action === 'etcd-value' ? { path: `etcd:${change.key}`, exists: false, next } : undefined
}

/** Files whose present text a diff needs. */
export function textsNeeded({ plan }: Planned): ReadonlyMap<string, readonly string[]> {
  const byNode = new Map<string, string[]>()
  for (const { node, changes } of plan.steps) {
    for (const change of changes) {
      if (!isFile(change) || change.before === undefined) continue
      byNode.set(node, [...(byNode.get(node) ?? []), change.path])
    }
  }
  return byNode
}

function isFile(change: { readonly action: string }): change is FileChange {
  return change.action === 'file' || change.action === 'block'
}

function patchOf(path: string, exists: boolean, before: string, after: string, same: boolean): string {
  if (same && exists) return ''
  const patch = createTwoFilesPatch(exists ? path : '/dev/null', path, before, after, undefined, undefined, {
    context: 3,
  })
  const lines = patch.split('\n').filter(line => !/^(?:=+$|Index: )/.test(line))
  // A secret that changes looks the same before and after.
  return before === after
    ? [...lines.slice(0, 2), `(only secrets change: ${REDACTED})`, ''].join('\n')
    : lines.join('\n')
}

/** The text without what is secret in it. */
export function redact(text: string, { names, values }: Secrets): string {
  let shown = text.replaceAll(PRIVATE_KEY, REDACTED)
  for (const value of values) {
    if (value.length >= SHORTEST_VALUE) shown = shown.replaceAll(value, REDACTED)
  }
  if (names.length === 0) return shown
  // As a shell takes words apart: quotes may stand anywhere in a value, go over several lines, and be left open.
  const assignment = new RegExp(
    String.raw`^(\s*(?:export[ \t]+)?(?:${names.join('|')})=)(?:'[^']*'?|"(?:[^"\\]|\\[^])*"?|\\[^]|[^ \t\n'"\\])*[^\n]*`,
    'gm',
  )
  return shown.replaceAll(assignment, `$1${REDACTED}`)
}
