import { parseFallbackSet, parseSharedSets } from '../ims/ifc/sets.ts'
import { MOST_FILE_BYTES } from './config-file.ts'
import type { Fault } from './fault.ts'

/** The XML files that sprout reads and all nodes share. */
export type XmlFileName = 'shared_ifcs.xml' | 'fallback_ifcs.xml'

/** Root element of each, and what reads it. */
const FILES = {
  'shared_ifcs.xml': { root: 'SharedIFCsSets', parse: parseSharedSets },
  'fallback_ifcs.xml': { root: 'FallbackIFCsSet', parse: parseFallbackSet },
} as const satisfies Record<XmlFileName, unknown>

export function isXmlFile(name: string): name is XmlFileName {
  return Object.hasOwn(FILES, name)
}

/** The text of each file while there is nothing in it. */
export function emptyXmlFile(name: XmlFileName): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${FILES[name].root}/>\n`
}

/**
 * Everything that is wrong with an XML file. Filter criteria that cannot be used are left out, and are no reason to do
 * without the others. Never throws.
 */
export function validateXmlFile(name: XmlFileName, text: string): readonly Fault[] {
  if (text.length > MOST_FILE_BYTES)
    return [{ severity: 'error', message: `is larger than ${MOST_FILE_BYTES} bytes` }]
  const result = FILES[name].parse(text)
  if (!result.ok) return [{ severity: 'error', message: `cannot be read: ${result.message}` }]
  return result.faults.map(message => ({ severity: 'warning', message: `${message}; it is left out` }))
}
