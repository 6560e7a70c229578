import { Args, Flags } from '@oclif/core'
import { text } from 'node:stream/consumers'
import { CORE_PORTS, portsAt } from '../../../lib/config/ports.ts'
import { LOOPBACK } from '../../../lib/kit/address.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { parseDomain } from '../../operations/domain.ts'

export const portOffsetFlag = Flags.integer({
  summary: 'The offset that the core was started with.',
  env: 'CLEARWATER_PORT_OFFSET',
  default: 0,
  min: 0,
  max: 65535 - Math.max(CORE_PORTS.provisioning, CORE_PORTS.sproutHttp),
})

/** Where homestead-prov is. */
export const connectionFlags = {
  hsprov: Flags.string({
    summary: 'Address and port of homestead-prov.',
    description: 'Default: port 8889, plus --port-offset, on this machine.',
    helpValue: 'HOST:PORT',
    env: 'CLEARWATER_HSPROV',
  }),
  'port-offset': portOffsetFlag,
}

/** Standard input is never taken for an argument: in a script it mostly belongs to somebody else. */
export const subscriberArgs = {
  numbers: Args.string({
    description: 'Directory numbers: 6505550000, 6505550000..6505550099, or a list of both with commas.',
    required: true,
    ignoreStdin: true,
  }),
  domain: Args.string({
    description: 'The home domain. Default: $CLEARWATER_DOMAIN, else it is asked for.',
    ignoreStdin: true,
  }),
}

export const passwordArgs = {
  password: Args.string({
    description: 'The password; "-" reads it from standard input. Absent: it is asked for.',
    ignoreStdin: true,
  }),
}

export const keepGoingFlag = Flags.boolean({
  char: 'k',
  summary: 'After an error go on with the next number.',
})

export const passwordFlags = {
  password: Flags.string({
    summary: 'The password, in place of the argument; "-" reads it from standard input.',
    helpValue: '-',
  }),
  plaintext: Flags.boolean({ summary: 'Store the password itself too, not only its digest.' }),
}

interface Address {
  readonly host: string
  readonly port: number
}

/** @throws CwError OPTION_INVALID */
export function hsprovOf(flags: {
  readonly hsprov?: string | undefined
  readonly 'port-offset': number
}): Address {
  return addressOf('--hsprov', flags.hsprov, 'provisioning', flags['port-offset'])
}

/** @throws CwError OPTION_INVALID */
export function sproutOf(flags: {
  readonly sprout?: string | undefined
  readonly 'port-offset': number
}): Address {
  return addressOf('--sprout', flags.sprout, 'sproutHttp', flags['port-offset'])
}

/** Where homer is. */
export const homerFlags = {
  homer: Flags.string({
    summary: 'Address and port of homer.',
    description: 'Default: port 7888, plus --port-offset, on this machine.',
    helpValue: 'HOST:PORT',
    env: 'CLEARWATER_HOMER',
  }),
  'port-offset': portOffsetFlag,
}

/** @throws CwError OPTION_INVALID */
export function homerOf(flags: {
  readonly homer?: string | undefined
  readonly 'port-offset': number
}): Address {
  return addressOf('--homer', flags.homer, 'homer', flags['port-offset'])
}

/** An address as given, else that of this machine. */
function addressOf(
  flag: string,
  given: string | undefined,
  usual: 'provisioning' | 'sproutHttp' | 'homer',
  portOffset: number,
): Address {
  if (given === undefined) return { host: LOOPBACK, port: portsAt(portOffset)[usual] }
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/@]+))(?::(\d{1,5}))?$/i.exec(given)
  const port = Number(match?.[3] ?? CORE_PORTS[usual])
  const host = match?.[1] ?? match?.[2]
  if (host === undefined || port < 1 || port > 65535) {
    throw new CwError('OPTION_INVALID', `${flag} "${given}" is no address`, {
      changed: 'nothing',
      remedies: [`write HOST:PORT, e.g. 127.0.0.1:${CORE_PORTS[usual]} or [::1]:${CORE_PORTS[usual]}`],
    })
  }
  return { host, port }
}

/** The domain as given, else from the environment, else asked for. */
export async function domainOf(given: string | undefined, interactive: boolean): Promise<string> {
  const domain = given ?? process.env.CLEARWATER_DOMAIN ?? (interactive ? await askDomain() : undefined)
  if (domain === undefined)
    throw missing('domain', 'give the home domain after the numbers, or set CLEARWATER_DOMAIN')
  return parseDomain(domain)
}

/** The password from the argument or the flag, from standard input for "-", else asked for. */
export async function passwordOf(
  given: { readonly argument: string | undefined; readonly flag: string | undefined },
  interactive: boolean,
): Promise<string> {
  if (given.argument !== undefined && given.flag !== undefined) {
    throw new CwError('USAGE', 'the password is given twice, as argument and as flag', {
      changed: 'nothing',
      remedies: ['leave out one of them'],
    })
  }
  const word = given.argument ?? given.flag ?? (interactive ? await askPassword() : undefined)
  if (word === undefined)
    throw missing('password', 'give it after the domain, or pipe it in with: --password -')
  const password = word === '-' ? ((await text(process.stdin)).split(/\r?\n/)[0] ?? '') : word
  if (password === '') throw missing('password', 'the password is empty')
  return password
}

async function askDomain(): Promise<string> {
  const { input } = await import('@inquirer/prompts')
  return input({ message: 'Home domain' }, { output: process.stderr })
}

async function askPassword(): Promise<string> {
  const { password } = await import('@inquirer/prompts')
  return password({ message: 'Password', mask: true }, { output: process.stderr })
}

function missing(what: string, remedy: string): CwError {
  return new CwError('USAGE', `the ${what} is missing`, { changed: 'nothing', remedies: [remedy] })
}
