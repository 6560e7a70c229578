import { z } from 'zod'
import { sha256Of } from '../playbook/digest.ts'
import { action } from './action.ts'
import { announceFile, driftOf, writeFile, type FileChange } from './file.ts'
import { absolutePath } from './params.ts'

const BEGIN = '# clearwater: begin, written by cw deploy'
const END = '# clearwater: end'

/** Some lines of a file that is the host's own, between two marks; the rest of it stays as it is. */
export const block = action<{ readonly path: string; readonly template: string }, FileChange>({
  schema: z.strictObject({ path: absolutePath, template: z.string() }),
  probes: ({ path }) => [
    { ask: 'path', subject: path },
    { ask: 'content', subject: path },
  ],
  changes({ path, template }, { facts, manifest, render, keep, wanted }) {
    const found = facts.path(path)
    const before = facts.content(path) ?? ''
    const own = splitAtBlock(before)
    const text = render(template)
    const record = `${path}#clearwater`
    const sha = sha256Of(text)
    wanted.set(path, sha)
    if (own.block === text) return []
    const drift =
      own.block === undefined ? undefined : driftOf(path, record, sha256Of(own.block), sha, manifest)
    return [
      {
        action: 'block',
        summary: `${own.block === undefined ? 'add' : 'change'} our lines in ${path}`,
        path,
        mode: found.is === 'file' ? found.mode : '0644',
        owner: found.is === 'file' ? found.owner : 'root:root',
        sha256: keep(withBlock(own, text)),
        ...(found.is === 'file' ? { before: found.sha256 } : {}),
        record: { as: record, sha256: sha },
        ...(drift === undefined ? {} : { drift }),
      },
    ]
  },
  carryOut: writeFile,
  announced: announceFile,
})

interface Split {
  readonly head: string
  /** Our lines without the marks; absent where there are none. */
  readonly block?: string
  readonly tail: string
}

function splitAtBlock(text: string): Split {
  const begin = text.indexOf(`${BEGIN}\n`)
  const end = text.indexOf(`${END}\n`, begin)
  if (begin === -1 || end === -1) {
    return { head: text === '' || text.endsWith('\n') ? text : `${text}\n`, tail: '' }
  }
  return {
    head: text.slice(0, begin),
    block: text.slice(begin + BEGIN.length + 1, end),
    tail: text.slice(end + END.length + 1),
  }
}

function withBlock({ head, tail }: Split, text: string): string {
  return `${head}${BEGIN}\n${text}${END}\n${tail}`
}

/** The file as it would be without us. */
export function withoutBlock(text: string): string {
  const { head, tail } = splitAtBlock(text)
  return `${head}${tail}`
}
