import { Flags } from '@oclif/core'
import { CwCommand } from '../command.ts'
import type { OperationRequest } from '../operations/deploy/operate.ts'

/** How a command logs in to nodes. */
export const fleetFlags = {
  'accept-new': Flags.boolean({
    summary: 'Take the keys of hosts that are met for the first time as they are; changed ones are refused.',
  }),
}

/** A command that logs in to the nodes of a deployment, and asks its operator where somebody has to know. */
export abstract class FleetCommand extends CwCommand {
  protected fleetOptions(given: { readonly 'accept-new': boolean }): OperationRequest['fleet'] {
    const acceptNew = given['accept-new']
    if (!this.interactive) return { acceptNew }
    return {
      acceptNew,
      confirmHostKey: async ({ node, address, keyType, fingerprint }) => {
        const { confirm } = await import('@inquirer/prompts')
        const message = `${node} (${address}) is met for the first time; its ${keyType} key is ${fingerprint}. Is it right?`
        return confirm({ message, default: false }, { output: process.stderr })
      },
      askPassphrase: async (file, attempt) => {
        const { password } = await import('@inquirer/prompts')
        const again = attempt > 1 ? ' (that was wrong)' : ''
        return password({ message: `Passphrase of ${file}${again}` }, { output: process.stderr })
      },
    }
  }
}
