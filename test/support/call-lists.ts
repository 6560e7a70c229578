import { createHash } from 'node:crypto'
import type { PhoneIdentity } from './phone.ts'

const md5 = (text: string): string => createHash('md5').update(text).digest('hex')

export interface CallListReply {
  readonly status: number
  readonly type: string
  readonly body: string
}

/** Reads a call list as its subscriber's client does: it is challenged, and answers with the SIP password. */
export async function readCallList(
  port: number,
  { user, domain, password }: PhoneIdentity,
  of = `sip:${user}@${domain}`,
  host = '127.0.0.1',
): Promise<CallListReply> {
  const path = `/org.projectclearwater.call-list/users/${encodeURIComponent(of)}/call-list.xml`
  const url = `http://${host}:${port}${path}`
  const username = `${user}@${domain}`
  const challenge = await fetch(url, { headers: { authorization: `Digest username="${username}"` } })
  await challenge.text()
  const header = challenge.headers.get('www-authenticate') ?? ''
  if (challenge.status !== 401) return { status: challenge.status, type: '', body: '' }
  const given = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(header)?.[1] ?? ''
  const [realm, nonce, opaque] = [given('realm'), given('nonce'), given('opaque')]
  const ha1 = md5(`${username}:${domain}:${password}`)
  const response = md5(`${ha1}:${nonce}:00000001:c0:auth:${md5(`GET:${path}`)}`)
  const authorization =
    `Digest username="${username}",realm="${realm}",nonce="${nonce}",uri="${path}",qop=auth,nc=00000001,` +
    `cnonce="c0",response="${response}",opaque="${opaque}"`
  const list = await fetch(url, { headers: { authorization } })
  return { status: list.status, type: list.headers.get('content-type') ?? '', body: await list.text() }
}

/** The calls of a document, each as its elements: `{ 'to/URI': 'sip:…', answered: '1', … }`. */
export function callsIn(document: string): readonly Readonly<Record<string, string>>[] {
  return [...document.matchAll(/<call>(.*?)<\/call>/gs)].map(([, call = '']) => {
    const elements: Record<string, string> = {}
    for (const [, name = '', content = ''] of call.matchAll(/<([a-z-]+)>(.*?)<\/\1>/gs)) {
      if (!content.includes('<')) elements[name] = content
      for (const [, inner = '', text = ''] of content.matchAll(/<(\w+)>([^<]*)<\/\1>/g))
        elements[`${name}/${inner}`] = text
    }
    return elements
  })
}
