import { z } from 'zod'

/** Permission bits as four octal digits in quotes: YAML would read 0644 as a number. */
export const mode = (usual: string): z.ZodDefault<z.ZodString> =>
  z
    .string()
    .regex(/^0[0-7]{3}$/, 'four octal digits in quotes, such as "0644"')
    .default(usual)

/** `user:group`. */
export const owner = z
  .string()
  .regex(/^[a-z][\w-]*:[a-z][\w-]*$/, 'a user and a group, such as root:root')
  .default('root:root')

export const absolutePath = z.string().startsWith('/', 'a path from the root')

/** A systemd unit with its suffix. */
export const unitName = z.string().regex(/^[\w@.-]+\.(service|timer|socket)$/, 'a unit with its suffix')
