import { z } from 'zod'
import { mustRun } from '../ssh/shell.ts'
import { action, type ChangeBase } from './action.ts'

interface Params {
  readonly title: string
  readonly run: readonly string[]
  /** Not run where this ends with 0. */
  readonly unless: readonly string[]
}

export interface CommandChange extends ChangeBase {
  readonly action: 'command'
  readonly argv: readonly string[]
}

const argv = z.array(z.string()).min(1)

/** A command behind a guard that tells whether it is still needed. Nothing here is ever a secret: others may see it. */
export const command = action<Params, CommandChange>({
  schema: z.strictObject({ title: z.string(), run: argv, unless: argv }),
  probes: ({ unless }) => [{ ask: 'guard', argv: unless }],
  changes: ({ title, run, unless }, { facts }) =>
    facts.guard(unless) ? [] : [{ action: 'command', summary: title, argv: run }],
  async carryOut(change, { shell, signal }) {
    await mustRun(shell, change.argv, { sudo: true, signal })
  },
})
