import { Flags } from '@oclif/core'

/** Which deployment a command works on. */
export const deploymentFlag = {
  file: Flags.string({
    summary: 'The deployment file.',
    helpValue: 'FILE',
    env: 'CW_FILE',
    default: 'cw.yaml',
  }),
}
