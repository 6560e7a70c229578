import { createHash, createHmac, randomBytes } from 'node:crypto'
import type { TestUsim } from '../../lib/ims/aka/testing.ts'
import type { Phone } from './phone.ts'
import { statusOf, valueOf, type SipText } from './sip-text.ts'

export interface UsimRegistration {
  /** Every answer, the last one last. */
  readonly answers: readonly SipText[]
}

const MOST_CHALLENGES = 4

/**
 * Registers as a phone with a USIM does: by AKA, and with a resynchronisation where the USIM is out of step.
 *
 * @param algorithm what the phone says that it knows, as the first of its credentials; absent: it has none at first
 * @param res what it says in place of what the USIM does
 */
export async function registerWithUsim(
  phone: Phone,
  usim: TestUsim,
  options: { readonly algorithm?: string; readonly res?: Buffer } = {},
): Promise<UsimRegistration> {
  const { user, domain } = phone.identity
  const username = `${user}@${domain}`
  const uri = `sip:${domain}`
  const [callId, fromTag] = [randomBytes(8).toString('hex'), randomBytes(4).toString('hex')]
  let authorization =
    options.algorithm === undefined
      ? undefined
      : `Digest username="${username}",realm="${domain}",nonce="",uri="${uri}",response="",algorithm=${options.algorithm}`
  const answers: SipText[] = []
  while (answers.length <= MOST_CHALLENGES) {
    const request = phone.send('REGISTER', uri, {
      callId,
      fromTag,
      to: `<${phone.aor}>`,
      headers: [
        ['Contact', phone.contact],
        ['Expires', '300'],
        ...(authorization === undefined ? [] : [['Authorization', authorization] as const]),
      ],
    })
    const answer = await phone.response(request)
    answers.push(answer)
    if (statusOf(answer) !== 401) break
    authorization = credentials(valueOf(answer, 'www-authenticate'), {
      username,
      uri,
      usim,
      res: options.res,
    })
  }
  return { answers }
}

interface Asked {
  readonly username: string
  readonly uri: string
  readonly usim: TestUsim
  readonly res: Buffer | undefined
}

/** RFC 3310 §3.3 and §3.4, RFC 4169 §3. */
function credentials(challenge: string, { username, uri, usim, res }: Asked): string {
  const realm = quoted(challenge, 'realm')
  const nonce = quoted(challenge, 'nonce')
  const algorithm = /algorithm=([\w-]+)/.exec(challenge)?.[1] ?? ''
  const said = usim.answer(nonce)
  if (said.kind === 'refused') throw new Error('the USIM does not know this network')
  let password: Buffer
  if (said.kind === 'out-of-step') password = Buffer.alloc(0)
  else if (algorithm === 'AKAv2-MD5') {
    const key = Buffer.concat([said.res, said.ik, said.ck])
    password = Buffer.from(createHmac('md5', key).update('http-digest-akav2-password').digest('base64'))
  } else password = res ?? said.res

  const md5 = (text: string | Buffer): string => createHash('md5').update(text).digest('hex')
  const cnonce = randomBytes(8).toString('hex')
  const ha1 = md5(Buffer.concat([Buffer.from(`${username}:${realm}:`), password]))
  const response = md5(`${ha1}:${nonce}:00000001:${cnonce}:auth:${md5(`REGISTER:${uri}`)}`)
  const auts = said.kind === 'out-of-step' ? `,auts="${said.auts}"` : ''
  return (
    `Digest username="${username}",realm="${realm}",nonce="${nonce}",uri="${uri}",response="${response}",` +
    `algorithm=${algorithm},qop=auth,nc=00000001,cnonce="${cnonce}",opaque="${quoted(challenge, 'opaque')}"${auts}`
  )
}

function quoted(header: string, name: string): string {
  return new RegExp(`${name}="([^"]*)"`, 'i').exec(header)?.[1] ?? ''
}
