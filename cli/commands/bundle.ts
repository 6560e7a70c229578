import { Flags } from '@oclif/core'
import { resolve } from 'node:path'
import { CwError } from '../../lib/kit/errors.ts'
import { CwCommand } from '../command.ts'
import type { Outcome } from '../render/report.ts'

export default class Bundle extends CwCommand {
  static override summary = 'Make the one file that a host needs to run Clearwater.'
  static override description = `It holds cw with all daemons, templates, playbooks, and the Node that runs this: a host needs
no Node of its own and no internet for it. The same version gives the same bytes. An installed release packs itself.`
  static override examples = ['<%= config.bin %> bundle', '<%= config.bin %> bundle --output release']
  static override flags = {
    check: Flags.boolean({
      summary: 'Make nothing; compare the release that runs this with its manifest.',
      exclusive: ['output'],
    }),
    output: Flags.string({ summary: 'The folder to put it in.', helpValue: 'DIR', default: '.' }),
  }

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(Bundle)
    if (flags.check) return this.#check()
    const { makeBundle } = await import('../operations/bundle.ts')
    const bundle = await makeBundle(resolve(flags.output))
    const mebibytes = (bundle.bytes / 1024 / 1024).toFixed(1)
    const state = bundle.made ? '' : ', as it was before'
    return {
      result: bundle,
      text: `${bundle.file}: ${mebibytes} MiB${state}\nsha256 ${bundle.sha256}`,
    }
  }

  async #check(): Promise<Outcome> {
    const { releaseFaults } = await import('../operations/bundle-contents.ts')
    const faults = await releaseFaults()
    if (faults.length === 0) return { result: { faults }, text: 'every file is as it was made' }
    const error = new CwError('RELEASE_DAMAGED', 'this release is not as it was made', {
      why: faults.join('; '),
      changed: 'nothing',
      remedies: ['install it again: cw deploy'],
    })
    return { result: { faults }, error }
  }
}
