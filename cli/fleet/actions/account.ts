import { z } from 'zod'
import { mustRun } from '../ssh/shell.ts'
import { action, type ChangeBase } from './action.ts'

interface Params {
  readonly name: string
  readonly home: string
}

export interface AccountChange extends ChangeBase {
  readonly action: 'account'
  readonly name: string
  readonly home: string
}

/** A system account with a group of its name, and no way to log in. */
export const account = action<Params, AccountChange>({
  schema: z.strictObject({
    name: z.string().regex(/^[a-z][a-z0-9-]*$/),
    home: z.string().startsWith('/'),
  }),
  probes: ({ name }) => [{ ask: 'account', subject: name }],
  changes({ name, home }, { facts }) {
    if (facts.hasAccount(name)) return []
    return [{ action: 'account', summary: `create the system account ${name}`, name, home }]
  },
  async carryOut({ name, home }, { shell, signal }) {
    const argv = ['useradd', '--system', '--user-group', '--no-create-home']
    await mustRun(shell, [...argv, '--home-dir', home, '--shell', '/usr/sbin/nologin', name], {
      sudo: true,
      signal,
    })
  },
})
