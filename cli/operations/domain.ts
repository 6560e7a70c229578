import { CwError } from '../../lib/kit/errors.ts'

const DOMAIN = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/i

/** A home domain in lower case. @throws CwError OPTION_INVALID */
export function parseDomain(text: string): string {
  if (DOMAIN.test(text)) return text.toLowerCase()
  throw new CwError('OPTION_INVALID', `"${text}" is no domain`, {
    changed: 'nothing',
    remedies: ['a domain looks like ims.example.com'],
  })
}
