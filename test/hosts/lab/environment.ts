import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { tool } from './command.ts'

/** Outside of the lab, where run.ts keeps images and packages from one run to the next. Only root comes here. */
export const STORE = process.env.CLEARWATER_LAB_STORE ?? '/var/cache/clearwater-lab'

/** What a run writes; gone when it ends. One run at a time holds the store's lock, so the name can be fixed. */
export const RUN = join(STORE, 'run')

/** Through which hosts reach the apt proxy, which runs outside of the lab's network. */
export const APT_SOCKET = join(RUN, 'apt', 'socket')

export const LAYERS = ['base', 'services'] as const
export type Layer = (typeof LAYERS)[number]

/** What run.ts tells the tests it starts. */
export interface LabEnvironment {
  /** For each layer its folders, the topmost first, as overlayfs wants them. */
  readonly layers: Readonly<Record<Layer, readonly string[]>>
  /** The network namespace that the tests must not be in. */
  readonly outside: string
}

const VARIABLE = 'CLEARWATER_LAB'

export function toVariables(environment: LabEnvironment): Record<string, string> {
  return { [VARIABLE]: JSON.stringify(environment) }
}

/**
 * Reads what run.ts has prepared, and makes sure that this process is in a network of its own.
 *
 * @throws Error if it is not: hosts with addresses of ours must never meet the machine's own network
 */
export async function enteredEnvironment(): Promise<LabEnvironment> {
  const text = process.env[VARIABLE]
  if (text === undefined) throw new Error('these tests run in a lab of their own: npm run test:hosts')
  const environment = JSON.parse(text) as LabEnvironment
  if (networkNamespace() === environment.outside) throw new Error('the lab is in the network of the machine')
  const uplinks = (await linksThatAreUp()).filter(name => !/^(lo|br0|lab\d+)$/.test(name))
  if (uplinks.length > 0) throw new Error(`the lab sees the machine's own network: ${uplinks.join(', ')}`)
  return environment
}

export function networkNamespace(): string {
  return readlinkSync('/proc/self/ns/net')
}

async function linksThatAreUp(): Promise<string[]> {
  const links = JSON.parse(await tool('ip', '-json', 'link', 'show', 'up')) as { ifname?: string }[]
  return links.flatMap(({ ifname }) => (ifname === undefined ? [] : [ifname]))
}
