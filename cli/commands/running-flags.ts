import { Flags } from '@oclif/core'
import { homedir } from 'node:os'
import { join } from 'node:path'

const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug'] as const

/** Keeps the highest port, 11888, below 65536. */
const MOST_OFFSET = 53_000

/** What every command takes that runs daemons. */
export const runningFlags = {
  'data-dir': Flags.directory({
    summary: 'Where subscribers and registrations are kept.',
    env: 'CLEARWATER_DATA_DIR',
    default: () => Promise.resolve(join(homedir(), '.local', 'share', 'clearwater')),
    defaultHelp: () => Promise.resolve('~/.local/share/clearwater'),
  }),
  domain: Flags.string({ summary: 'The home domain.', env: 'CLEARWATER_DOMAIN', default: 'ims.test' }),
  bind: Flags.string({
    summary: 'The address to listen on; 0.0.0.0 for all.',
    helpValue: 'ADDRESS',
    default: '127.0.0.1',
  }),
  advertise: Flags.string({
    summary: "The address that others are told to send to. Default: --bind, or this machine's own.",
    helpValue: 'ADDRESS',
  }),
  'port-offset': Flags.integer({
    summary: 'Added to every port, so that several can run side by side.',
    env: 'CLEARWATER_PORT_OFFSET',
    default: 0,
    min: 0,
    max: MOST_OFFSET,
  }),
  'log-level': Flags.option({
    summary: 'What goes to standard error.',
    options: LOG_LEVELS,
    default: 'warn',
  })(),
}
