import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { refuse, type HttpAnswer, type HttpRequest } from '../../lib/http/message.ts'
import type { HttpServer } from '../../lib/http/server.ts'
import { defaultImpi, type Impi, type Impu } from '../../lib/ims/identity.ts'
import { impuFromText } from '../../lib/ims/subscription-xml.ts'
import { escapeXml } from '../../lib/ims/xml.ts'
import type { Subscriber } from '../../lib/store/provisioning-store.ts'
import { credentialsOf } from './credentials.ts'
import { filterCriteriaFault } from './provisioning-api.ts'
import type { Provisioning } from './provisioning.ts'
import { defaultFilterCriteria } from './subscription-document.ts'

/** How many subscribers share a commit, and are in memory at one time. */
const BATCH = 500
const MAX_LINE = 64 * 1024

/** The result of one line, in the order of the lines. */
export interface BulkResult {
  /** From 1; empty lines count, but have no result. */
  readonly line: number
  readonly public_id?: string
  /** `conflict`: the public id belongs to another subscriber, and stays with it. */
  readonly result: 'created' | 'updated' | 'unchanged' | 'conflict' | 'invalid'
  readonly reason?: string
}

type Entry = { readonly line: number } & (
  { readonly subscriber: Subscriber } | { readonly publicId?: string; readonly fault: string }
)

/**
 * `POST /bulk/subscribers`: many subscribers of the usual shape, as lines of JSON
 * `{public_id, private_id, realm, digest_ha1 | plaintext_password, digest_ha1_sha256, filter_criteria}`, answered by a line each.
 *
 * An addition of ours to the interface. Sending a line again changes nothing; the filter criteria are the default
 * ones if none are given, the private id that of the public one, the realm the home domain.
 */
export function addBulkRoutes(server: HttpServer, provisioning: Provisioning, homeDomain: string): void {
  server.route(
    '/bulk/subscribers',
    { POST: request => importSubscribers(provisioning, homeDomain, request) },
    { stream: true },
  )
}

function importSubscribers(provisioning: Provisioning, homeDomain: string, request: HttpRequest): HttpAnswer {
  if (request.stream === undefined) return refuse(400, 'Body is empty')
  return {
    status: 200,
    headers: { 'content-type': 'application/x-ndjson' },
    body: results(provisioning, homeDomain, request.stream),
  }
}

async function* results(
  provisioning: Provisioning,
  homeDomain: string,
  stream: Readable,
): AsyncGenerator<string> {
  let batch: Entry[] = []
  let number = 0
  for await (const line of linesOf(stream)) {
    number++
    if (line === '') continue
    batch.push(entryOf(line, number, homeDomain))
    if (batch.length < BATCH) continue
    yield await storeBatch(provisioning, batch)
    batch = []
  }
  if (batch.length > 0) yield await storeBatch(provisioning, batch)
}

async function storeBatch(provisioning: Provisioning, batch: readonly Entry[]): Promise<string> {
  const lines = await Promise.all(
    batch.map(async (entry): Promise<BulkResult> => {
      const { line } = entry
      if ('fault' in entry) {
        const known = entry.publicId === undefined ? {} : { public_id: entry.publicId }
        return { line, ...known, result: 'invalid', reason: entry.fault }
      }
      const result = await provisioning.putSubscriber(entry.subscriber)
      return { line, public_id: entry.subscriber.impu, result }
    }),
  )
  return lines.map(line => `${JSON.stringify(line)}\n`).join('')
}

function entryOf(text: string | undefined, line: number, homeDomain: string): Entry {
  if (text === undefined) return { line, fault: `longer than ${MAX_LINE} characters` }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return { line, fault: 'not JSON' }
  }
  if (typeof value !== 'object' || value === null) return { line, fault: 'not a JSON object' }
  const {
    public_id: publicId,
    private_id: privateId,
    filter_criteria: criteria,
  } = value as Record<string, unknown>
  if (typeof publicId !== 'string' || !/^(sips?|tel):[^\s<>"]+$/.test(publicId))
    return { line, fault: 'public_id is not a SIP or tel URI' }
  const impu = impuFromText(publicId)
  const fault = (reason: string): Entry => ({ line, publicId: impu, fault: reason })

  if (publicId.length > 500) return fault('public_id is too long')
  const impi = privateId === undefined ? defaultImpi(impu, homeDomain) : privateId
  if (typeof impi !== 'string' || impi === '' || impi.length > 500)
    return fault('private_id is not an identity')
  const credentials = credentialsOf(value, impi as Impi, homeDomain)
  if (typeof credentials === 'string') return fault(credentials)
  const filterCriteria = criteria ?? defaultFilterCriteria(domainOf(impu) ?? homeDomain)
  if (typeof filterCriteria !== 'string') return fault('filter_criteria is not a string')
  if (criteria !== undefined) {
    const wrong = filterCriteriaFault(filterCriteria)
    if (wrong !== undefined) return fault(wrong)
  }
  const identityXml = `<PublicIdentity><Identity>${escapeXml(impu)}</Identity></PublicIdentity>`
  return { line, subscriber: { ...credentials, impi: impi as Impi, impu, identityXml, filterCriteria } }
}

function domainOf(impu: Impu): string | undefined {
  const at = impu.indexOf('@')
  return at === -1 ? undefined : impu.slice(at + 1)
}

/** The lines of a stream, however it is cut; undefined for one that is too long to be kept. */
async function* linesOf(stream: Readable): AsyncGenerator<string | undefined> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  let tooLong = false
  for await (const piece of stream as AsyncIterable<Buffer>) {
    const lines = (rest + decoder.write(piece)).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      yield tooLong || line.length > MAX_LINE ? undefined : line.trim()
      tooLong = false
    }
    if (rest.length > MAX_LINE) {
      tooLong = true
      rest = ''
    }
  }
  rest += decoder.end()
  if (tooLong) yield undefined
  else if (rest !== '') yield rest.trim()
}
