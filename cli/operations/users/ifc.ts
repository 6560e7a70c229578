import { readFile } from 'node:fs/promises'
import { CwError } from '../../../lib/kit/errors.ts'

/**
 * Reads filter criteria for new subscribers, with `${DOMAIN}` and `${PREFIX}` filled in.
 *
 * @throws CwError FILE_UNREADABLE, or FILE_INVALID if it is not XML with the root `ServiceProfile`.
 */
export async function readIfc(
  file: string,
  { domain, prefix }: { readonly domain: string; readonly prefix: string },
): Promise<string> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new CwError('FILE_UNREADABLE', `the filter criteria cannot be read`, {
      where: { file },
      changed: 'nothing',
      remedies: ['name a file that exists: --ifc FILE'],
      cause,
    })
  })
  const xml = text.replaceAll('${DOMAIN}', domain).replaceAll('${PREFIX}', prefix)
  const why = await whatIsWrong(xml)
  if (why === undefined) return xml
  throw new CwError('FILE_INVALID', 'the file holds no filter criteria', {
    where: { file },
    why,
    changed: 'nothing',
    remedies: ['the file is one XML document with the root element ServiceProfile'],
  })
}

async function whatIsWrong(xml: string): Promise<string | undefined> {
  const { parseXmlDocument } = await import('slimdom')
  try {
    const root = parseXmlDocument(xml.replace(/^\uFEFF/, '')).documentElement
    return root?.localName === 'ServiceProfile'
      ? undefined
      : `its root element is ${root?.localName ?? 'missing'}`
  } catch (error) {
    return error instanceof Error ? error.message.split('\n')[0] : String(error)
  }
}
