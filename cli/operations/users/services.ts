import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import type { Impu } from '../../../lib/ims/identity.ts'
import { simservsPath } from '../../../lib/ims/service-documents.ts'
import { parseSimservs, type Simservs } from '../../../lib/ims/simservs.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { HttpService, reasonIn } from './http-service.ts'
import { overNumbers, type NumbersRequest, type RangeReport } from './range.ts'
import { changedDocument, type ServiceChanges } from './services-document.ts'

export interface ServicesRequest extends NumbersRequest {
  /** Where homer is. */
  readonly homer: { readonly host: string; readonly port: number }
}

/** What a user has set up for calls. */
export interface UserServices {
  readonly public_id: string
  /** As it is stored; absent: nothing is. */
  readonly document?: string
  /** What of it counts; absent also if the document cannot be read. */
  readonly services?: Simservs
}

/** What is to be stored: a document as it is, changes to the one that is there, or none. */
export type ServicesToSet =
  | { readonly kind: 'document'; readonly document: string; readonly file: string }
  | { readonly kind: 'changes'; readonly changes: ServiceChanges }
  | { readonly kind: 'nothing' }

/** Reads the service documents of users. Who has none has no services; homer does not know who is a subscriber. */
export async function showServices(request: ServicesRequest): Promise<RangeReport<UserServices>> {
  await using homer = await open(request)
  return await overNumbers(request, async ({ impu }) => {
    const document = await stored(homer, impu)
    if (document === undefined) return { public_id: impu }
    const services = parseSimservs(document)
    return { public_id: impu, document, ...(services === undefined ? {} : { services }) }
  })
}

/** Stores the service documents of users. */
export async function setServices(
  request: ServicesRequest & { readonly to: ServicesToSet },
): Promise<RangeReport<'set'>> {
  const { to } = request
  await using homer = await open(request)
  return await overNumbers(request, async ({ impu }): Promise<'set'> => {
    if (to.kind === 'nothing') {
      await homer.call({ method: 'DELETE', path: pathOf(impu), expect: [200, 204] })
      return 'set'
    }
    if (to.kind === 'document') {
      await store(homer, impu, to.document, to.file)
      return 'set'
    }
    const changed = changedDocument(await stored(homer, impu), to.changes)
    if (changed === undefined) throw unreadable(homer, impu)
    await store(homer, impu, changed, undefined)
    return 'set'
  })
}

/**
 * Reads a document that is to be stored; "-" is standard input.
 *
 * @throws CwError FILE_UNREADABLE
 */
export async function readDocument(file: string): Promise<string> {
  if (file === '-') return text(process.stdin)
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new CwError('FILE_UNREADABLE', 'the service document cannot be read', {
      where: { file },
      changed: 'nothing',
      remedies: ['name a file that exists: --file FILE', 'or give it on standard input: --file -'],
      cause,
    })
  })
}

function open({ homer }: ServicesRequest): Promise<HttpService> {
  return HttpService.open({ ...homer, name: 'homer', flag: '--homer' })
}

function pathOf(impu: string): string {
  return simservsPath(impu as Impu)
}

async function stored(homer: HttpService, impu: string): Promise<string | undefined> {
  const answer = await homer.call({ method: 'GET', path: pathOf(impu), expect: [200, 404] })
  return answer.status === 404 ? undefined : answer.body
}

/** @param file where it came from; undefined: it was made here */
async function store(
  homer: HttpService,
  impu: string,
  document: string,
  file: string | undefined,
): Promise<void> {
  const call = { method: 'PUT', path: pathOf(impu), body: document, type: 'application/xml' } as const
  const answer = await homer.call({ ...call, expect: [200, 400, 413] })
  if (answer.status === 200) return
  const why = reasonIn(answer.body) ?? `it answered ${answer.status}`
  if (file === undefined) {
    throw new CwError('SERVICE_ERROR', `homer refuses the changed services of ${impu}`, {
      where: { address: homer.origin },
      why,
      changed: 'nothing',
      remedies: [`see what is stored: cw user services show ${numberOf(impu)} --xml`],
    })
  }
  throw new CwError('FILE_INVALID', 'homer refuses the service document', {
    where: { file },
    why,
    changed: 'nothing',
    remedies: ['the file is a simservs document of TS 24.623, as cw user services show --xml prints them'],
  })
}

function unreadable(homer: HttpService, impu: string): CwError {
  return new CwError('SERVICE_ERROR', `what is stored for ${impu} is no service document`, {
    where: { address: homer.origin },
    why: 'it cannot be changed without being read',
    changed: 'nothing',
    remedies: [`begin anew: cw user services set ${numberOf(impu)} --remove`],
  })
}

function numberOf(impu: string): string {
  return impu.slice(impu.indexOf(':') + 1).replace('@', ' ')
}
