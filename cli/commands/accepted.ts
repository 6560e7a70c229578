import { CwError } from '../../lib/kit/errors.ts'

/** Something that an operator may want to think about twice, and accepts by its name. */
interface Concern {
  readonly name: string
  readonly says: string
}

/** @param what is not accepted, as the beginning of a sentence. @throws CwError NOT_CONFIRMED with all that is not accepted yet */
export function requireAccepted(
  concerns: readonly Concern[],
  accepted: readonly string[] | undefined,
  what: string,
): void {
  const open = concerns.filter(({ name }) => accepted?.includes(name) !== true)
  if (open.length === 0) return
  throw new CwError('NOT_CONFIRMED', `${what} is not accepted`, {
    why: open.map(({ name, says }) => `${name}: ${says}`).join('\n'),
    changed: 'nothing',
    remedies: [`accept it: ${open.map(({ name }) => `--accept ${name}`).join(' ')}`],
  })
}
