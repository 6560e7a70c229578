import type { SharedFileName } from '../config/shared-file.ts'

/** The last part of each shared file's key, in the order in which they are applied and shown. */
const KEYS = {
  shared_config: 'shared_config',
  'bgcf.json': 'bgcf_json',
  'enum.json': 'enum_json',
  's-cscf.json': 'scscf_json',
  'rph.json': 'rph_json',
  'shared_ifcs.xml': 'shared_ifcs',
  'fallback_ifcs.xml': 'fallback_ifcs',
} as const satisfies Record<SharedFileName, string>

export const SHARED_FILES = Object.keys(KEYS) as readonly SharedFileName[]

/** Where everything lies, as the manual has it; what is ours stands beside. */
export function configurationPrefix(site: string): string {
  return `/clearwater/${site}/configuration/`
}

export function configurationKey(site: string, file: SharedFileName): string {
  return configurationPrefix(site) + KEYS[file]
}

/** The queue of nodes that wait for their restart (`restart-queue.ts`). */
export function restartQueueKey(site: string): string {
  return `${configurationPrefix(site)}apply_config`
}

/** What each node's config-manager says of it (`node-report.ts`). */
export function nodeReportPrefix(site: string): string {
  return `/clearwater/${site}/nodes/`
}

export function nodeReportKey(site: string, address: string): string {
  return nodeReportPrefix(site) + address
}

/** The changes of the configuration, the last one last (`change-log.ts`). */
export function changeLogPrefix(site: string): string {
  return `/clearwater/${site}/configuration-history/`
}

/** Of one width, so that the order of keys is that of numbers. */
export function changeLogKey(site: string, number: number): string {
  return changeLogPrefix(site) + String(number).padStart(8, '0')
}
