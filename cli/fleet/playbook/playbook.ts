import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { LineCounter, parseDocument, isNode, type Document } from 'yaml'
import { z } from 'zod'
import { ROLES } from '../../../lib/config/deployment/deployment.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { ACTIONS, actionNamed, type ActionName } from '../actions/actions.ts'
import { resourceFolder } from '../resources.ts'

/** One thing to see to on a node, with parameters that have passed its action's schema. */
export interface Task {
  readonly action: ActionName
  readonly params: unknown
}

/** What is journalled, told and resumed as one: a step is done on a node or it is not. */
export interface Step {
  readonly name: string
  readonly title: string
  readonly tasks: readonly Task[]
}

const NODES = [...(['all', 'voters', 'one-voter', 'memcached', 'cassandra'] as const), ...ROLES]

/** Which nodes a phase is about: all, those with a role, those that are etcd's, or those that share registrations or subscribers. */
export type Selector = (typeof NODES)[number]

/** Steps that some nodes go through together, before any node enters the next phase. */
export interface Phase {
  readonly name: string
  readonly title: string
  readonly on: Selector
  /** How many of its nodes have to come through for the operation to go on. */
  readonly needs: 'one' | 'majority'
  readonly steps: readonly Step[]
}

export interface Playbook {
  readonly operation: string
  readonly phases: readonly Phase[]
}

const name = z.string().regex(/^[a-z][a-z0-9-]*$/, 'a name of small letters, digits and dashes')

const taskSchema = z.record(z.string(), z.unknown()).transform((given, context): Task => {
  const [action, ...others] = Object.keys(given)
  if (action === undefined || others.length > 0) {
    context.addIssue({ code: 'custom', message: 'one action, with its parameters below its name' })
    return z.NEVER
  }
  if (!isActionName(action)) {
    const message = `no action is called ${action}; there are ${Object.keys(ACTIONS).join(', ')}`
    context.addIssue({ code: 'custom', message, path: [action] })
    return z.NEVER
  }
  const parsed = actionNamed(action).schema.safeParse(given[action] ?? {})
  if (parsed.success) return { action, params: parsed.data }
  for (const issue of parsed.error.issues) {
    context.addIssue({ code: 'custom', message: issue.message, path: [action, ...issue.path] })
  }
  return z.NEVER
})

const playbookSchema = z.strictObject({
  operation: name,
  phases: z
    .array(
      z.strictObject({
        name,
        title: z.string(),
        on: z.enum(NODES),
        needs: z.enum(['one', 'majority']).default('one'),
        steps: z.array(z.strictObject({ name, title: z.string(), tasks: z.array(taskSchema).min(1) })).min(1),
      }),
    )
    .min(1),
})

/** Reads a shipped playbook. */
export function loadPlaybook(operation: string): Playbook {
  const file = join(resourceFolder('playbooks'), `${operation}.yml`)
  return parsePlaybook(readFileSync(file, 'utf8'), file)
}

/** @throws FILE_INVALID with every fault and its line. */
export function parsePlaybook(text: string, file: string): Playbook {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const broken = document.errors.map(error => ({
    line: lines.linePos(error.pos[0]).line,
    why: error.message,
  }))
  if (broken.length > 0) throw invalid(file, broken)
  const parsed = playbookSchema.safeParse(document.toJS())
  if (!parsed.success) {
    const faults = parsed.error.issues.map(issue => ({
      line: lineOf(document, lines, issue.path),
      why: `${issue.path.join('.')}: ${issue.message}`,
    }))
    throw invalid(file, faults)
  }
  const twice = repeated(parsed.data)
  if (twice !== undefined) throw invalid(file, [{ line: 1, why: `two steps are called ${twice}` }])
  return parsed.data
}

/** Steps are journalled by phase and name. */
function repeated({ phases }: Playbook): string | undefined {
  const ids = phases.flatMap(phase => phase.steps.map(step => `${phase.name}/${step.name}`))
  return ids.find((id, index) => ids.indexOf(id) !== index)
}

/** The line of the value at a path, or of the nearest thing around it. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const node = document.getIn(path.slice(0, depth), true)
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
  }
  return 1
}

function invalid(file: string, faults: readonly { readonly line: number; readonly why: string }[]): CwError {
  return new CwError('FILE_INVALID', 'the playbook is not valid', {
    where: { file, ...(faults[0] === undefined ? {} : { line: faults[0].line }) },
    why: faults.map(({ line, why }) => `line ${line}: ${why}`).join('; '),
    changed: 'nothing',
  })
}

function isActionName(text: string): text is ActionName {
  return Object.hasOwn(ACTIONS, text)
}
