import { CwError } from '../../lib/kit/errors.ts'

/** A command line cut at its first `--`: our own words, and the command for a node as it is. */
export function cutAtDashes(argv: readonly string[]): {
  readonly own: string[]
  readonly command: readonly string[] | undefined
} {
  const at = argv.indexOf('--')
  return at === -1
    ? { own: [...argv], command: undefined }
    : { own: argv.slice(0, at), command: argv.slice(at + 1) }
}

/** @throws CwError USAGE where nothing stands behind `--` */
export function requireCommand(command: readonly string[] | undefined): readonly string[] {
  if (command !== undefined && command.length > 0) return command
  throw new CwError('USAGE', 'the command to run is missing', {
    why: 'it stands behind --, as a program with its arguments; no shell reads it',
    changed: 'nothing',
    remedies: ['cw exec -- uptime', "with a shell: cw exec -- sh -c 'ls /etc | wc -l'"],
  })
}
