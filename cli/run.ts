import { Config, run, settings } from '@oclif/core'
import { join } from 'node:path'
import manifest from '../package.json' with { type: 'json' }
import { EXIT } from '../lib/kit/errors.ts'
import { reportFailure } from './render/report.ts'
import { unknownCommand } from './render/failure.ts'

const TOPICS = {
  config: { description: 'See and change the configuration that all nodes of a deployment share.' },
  user: { description: 'Provision subscribers in the built-in subscriber store.' },
}

/** In the bundle this file lies in dist/, as a source in cli/: the project is one above either. */
const ROOT = join(import.meta.dirname, '..')
const COMMANDS = process.env.CLEARWATER_BUNDLED === '1' ? './dist/commands.js' : './cli/commands.ts'

/** Runs one `cw` command line and returns its exit code. */
export async function runCw(argv: readonly string[]): Promise<number> {
  settings.enableAutoTranspile = false
  process.exitCode = undefined
  const config = await Config.load({
    root: ROOT,
    ignoreManifest: true,
    userPlugins: false,
    devPlugins: false,
    pjson: {
      ...manifest,
      oclif: {
        ...manifest.oclif,
        topicSeparator: ' ',
        topics: TOPICS,
        commands: { strategy: 'explicit', target: COMMANDS, identifier: 'COMMANDS' },
      },
    },
  })
  try {
    await run([...argv], config)
  } catch (error) {
    // A command reports its own failures; here is what never became one.
    reportFailure(unknownCommand(error, argv, config.commandIDs), argv.includes('--json'))
  }
  return typeof process.exitCode === 'number' ? process.exitCode : EXIT.done
}
