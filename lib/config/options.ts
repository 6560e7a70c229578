import { nearest } from '../kit/nearest.ts'
import { LOCAL_OPTIONS } from './options/local.ts'
import { SHARED_OPTIONS } from './options/shared.ts'
import { USER_OPTIONS } from './options/user.ts'
import { scopesOf, type Option, type Scope } from './option.ts'

/** Every option that a deployment can set, by its name, in the order of the manual. */
export const OPTIONS: ReadonlyMap<string, Option> = new Map(
  [...LOCAL_OPTIONS, ...SHARED_OPTIONS, ...USER_OPTIONS].map(option => [option.name, option]),
)

/** The known option that a mistyped name most likely meant; with a scope, only one that may stand in that file. */
export function nearestOption(name: string, scope?: Scope): string | undefined {
  const known = [...OPTIONS.values()].filter(
    option => option.retired === undefined && (scope === undefined || scopesOf(option).includes(scope)),
  )
  return nearest(
    name.toLowerCase(),
    known.map(option => option.name),
  )
}

/** An option by its name. */
export function findOption(name: string): Option | undefined {
  return OPTIONS.get(name)
}
