import { randomText } from '../../../lib/sip/branch.ts'
import { authParam, formatCredentials, parseCredentials } from '../../../lib/sip/credentials.ts'
import { digestAlgorithm, digestResponse, formatNonceCount, ha1Of } from '../../../lib/sip/digest.ts'
import { H } from '../../../lib/sip/header-names.ts'
import type { Step } from './report.ts'
import { stepOf } from './step.ts'
import { newCallId, type Answer, type Identity, type Patience, type UserAgent } from './user-agent.ts'

/** Long enough for a run, and soon over if it is killed. */
const LIFETIME_S = 300

export interface Registration {
  /** The registrar did what was asked. */
  readonly accepted: boolean
  /** Whether the registrar has asked for credentials: then everything up to homestead has worked. */
  readonly challenged: boolean
  readonly last: Answer
  readonly steps: readonly Step[]
}

/** Registers the telephone, answering the challenge (RFC 3261 §10, §22). */
export function register(agent: UserAgent, patience: Patience): Promise<Registration> {
  return registerFor(LIFETIME_S, agent, patience)
}

/** Takes the registration back. */
export function deregister(agent: UserAgent, patience: Patience): Promise<Registration> {
  return registerFor(0, agent, patience)
}

async function registerFor(expires: number, agent: UserAgent, patience: Patience): Promise<Registration> {
  const { identity, contact } = agent
  const uri = `sip:${identity.domain}`
  const callId = newCallId()
  const attempt = (cseq: number, credentials?: string): Promise<Answer> => {
    const request = agent.request('REGISTER', uri, {
      callId,
      cseq,
      to: `<${identity.impu}>`,
      edit: headers => {
        headers.set(H.Contact, contact).set(H.Expires, `${expires}`).set(H.Supported, 'path')
        if (credentials !== undefined) headers.set(H.Authorization, credentials)
      },
    })
    return agent.ask(request, patience)
  }

  const first = await attempt(1)
  const challenge = first.final?.status === 401 ? first.final.headers.get(H['WWW-Authenticate']) : undefined
  const credentials = challenge === undefined ? undefined : answerTo(challenge, 'REGISTER', uri, identity)
  const steps = [stepOf('REGISTER', first)]
  if (credentials === undefined) {
    return { accepted: first.final?.status === 200, challenged: false, last: first, steps }
  }
  const last = await attempt(2, credentials)
  steps.push(stepOf('REGISTER with credentials', last))
  return { accepted: last.final?.status === 200, challenged: true, last, steps }
}

/** The Authorization that answers a challenge (RFC 7616 §3.4); undefined if it cannot be answered. */
function answerTo(text: string, method: string, uri: string, identity: Identity): string | undefined {
  const challenge = parseCredentials(text)
  if (challenge === undefined) return undefined
  const [realm, nonce] = [authParam(challenge, 'realm'), authParam(challenge, 'nonce')]
  const algorithm = digestAlgorithm(authParam(challenge, 'algorithm'))
  if (realm === undefined || nonce === undefined || algorithm === undefined) return undefined
  const qop = /\bauth\b/.test(authParam(challenge, 'qop') ?? '') ? 'auth' : undefined
  const ha1 = ha1Of(identity.impi, realm, identity.password, algorithm)
  const [cnonce, nc] = [randomText(12), formatNonceCount(1)]
  const response = digestResponse({ algorithm, ha1, method, uri, nonce, qop, cnonce, nc, body: '' })
  const quoted = {
    username: identity.impi,
    realm,
    nonce,
    uri,
    response,
    opaque: authParam(challenge, 'opaque'),
  }
  const bare = { algorithm, ...(qop === undefined ? {} : { qop, nc }) }
  const params = [
    ...Object.entries(quoted).map(([name, value]) => ({ name, value, quoted: true })),
    ...Object.entries(bare).map(([name, value]) => ({ name, value, quoted: false })),
    { name: 'cnonce', value: qop === undefined ? undefined : cnonce, quoted: true },
  ].flatMap(({ value, ...rest }) => (value === undefined ? [] : [{ value, ...rest }]))
  return formatCredentials({ scheme: 'Digest', params })
}
