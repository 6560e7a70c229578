import { Flags } from '@oclif/core'
import { text } from 'node:stream/consumers'
import { CwError } from '../../../lib/kit/errors.ts'
import type { Secrets, UsimSecrets } from '../../operations/users/subscriber.ts'
import { passwordFlags, passwordOf } from './arguments.ts'

const HEX = { k: 32, opc: 32, amf: 4 } as const

/** By what subscribers prove themselves: a password, a USIM, or both. */
export const secretFlags = {
  ...passwordFlags,
  sha256: Flags.boolean({
    summary: 'Let phones answer by SHA-256 too (RFC 8760).',
    description:
      'Phones are then challenged by SHA-256 first and by MD5 second; one that looks at the first only has to know it.',
  }),
  'aka-k': Flags.string({
    summary:
      'Key K of the USIM, 32 hexadecimal digits, in place of a password; "-" reads it from standard input.',
    helpValue: '-',
  }),
  'aka-opc': Flags.string({
    summary:
      'OPc of the USIM, 32 hexadecimal digits; "-" reads it from standard input, after K. Absent: it is asked for.',
    helpValue: '-',
  }),
  'aka-amf': Flags.string({ summary: 'AMF of the USIM, 4 hexadecimal digits.', default: '8000' }),
}

interface GivenSecrets {
  readonly password?: string | undefined
  readonly plaintext: boolean
  readonly sha256: boolean
  readonly 'aka-k'?: string | undefined
  readonly 'aka-opc'?: string | undefined
  readonly 'aka-amf': string
}

/** The secrets as given, read from standard input, or asked for. */
export async function secretsOf(
  flags: GivenSecrets,
  argument: string | undefined,
  interactive: boolean,
): Promise<Secrets> {
  const { plaintext, sha256 } = flags
  const usim = await usimOf(flags, interactive)
  const isGiven = argument !== undefined || flags.password !== undefined
  if (usim !== undefined && !isGiven) return { plaintext, sha256, usim }
  const password = await passwordOf({ argument, flag: flags.password }, interactive)
  return { password, plaintext, sha256, ...(usim === undefined ? {} : { usim }) }
}

async function usimOf(flags: GivenSecrets, interactive: boolean): Promise<UsimSecrets | undefined> {
  const { 'aka-k': k, 'aka-opc': opc, 'aka-amf': amf } = flags
  if (k === undefined && opc === undefined) return undefined
  if (flags.password === '-' && (k === '-' || opc === '-'))
    throw usage('standard input is to give both the password and the USIM', ['give one of them another way'])
  const lines = k === '-' || opc === '-' ? (await text(process.stdin)).split(/\r?\n/) : []
  const word = async (name: 'k' | 'opc', given: string | undefined): Promise<string> => {
    if (given === '-') return lines.shift()?.trim() ?? ''
    if (given !== undefined) return given
    if (interactive) return askSecret(name === 'k' ? 'K of the USIM' : 'OPc of the USIM')
    throw usage(`--aka-${name} is missing`, [`give it, or pipe it in with: --aka-${name} -`])
  }
  const secrets = { k: await word('k', k), opc: await word('opc', opc), amf }
  for (const name of ['k', 'opc', 'amf'] as const) {
    if (!new RegExp(`^[0-9a-f]{${HEX[name]}}$`, 'i').test(secrets[name])) {
      throw new CwError('OPTION_INVALID', `--aka-${name} is not ${HEX[name]} hexadecimal digits`, {
        changed: 'nothing',
        remedies: ['take it as the maker of the USIM gives it, without spaces'],
      })
    }
  }
  return secrets
}

async function askSecret(message: string): Promise<string> {
  const { password } = await import('@inquirer/prompts')
  return password({ message, mask: true }, { output: process.stderr })
}

function usage(message: string, remedies: readonly string[]): CwError {
  return new CwError('USAGE', message, { changed: 'nothing', remedies })
}
