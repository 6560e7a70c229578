import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  X509Certificate,
  type KeyObject,
} from 'node:crypto'
import { isIP } from 'node:net'
import { certificate, type Use } from './certificate.ts'

const HOUR_MS = 3_600_000
const YEAR_MS = 365.25 * 24 * HOUR_MS
/** Hosts' clocks differ. */
const AHEAD_MS = 24 * HOUR_MS
const AUTHORITY_LASTS_MS = 30 * YEAR_MS
/** Any deployment in the last year of it renews it. */
const LASTS_MS = 5 * YEAR_MS
const RENEWED_BEFORE_MS = YEAR_MS

/** Whom a certificate is for. */
export interface Holder {
  readonly commonName: string
  /** Names and addresses by which it is reached; none: it only is a client. */
  readonly hosts: readonly string[]
}

/** Who vouches for the members and clients of a deployment's etcd: a key, and its own certificate. */
export class Authority {
  /** PEM, for everybody to know it by. */
  readonly certificate: string
  /** Certificate and key, PEM: whoever has it can let anybody in. */
  readonly pem: string
  readonly #own: X509Certificate
  readonly #key: KeyObject

  private constructor(text: string) {
    this.#own = new X509Certificate(text)
    this.#key = createPrivateKey(text)
    this.certificate = this.#own.toString()
    this.pem = text
  }

  /** A new one. */
  static found(deployment: string, now = new Date()): Authority {
    const { publicKey, privateKey } = generateKeys()
    const commonName = `Clearwater ${deployment}`
    const own = certificate(
      { commonName, publicKey, hosts: [], uses: ['authority'], ...lifeOf(now, AUTHORITY_LASTS_MS) },
      { commonName, privateKey },
    )
    return new Authority(own + keyText(privateKey))
  }

  /** One that was kept, or `undefined` if the text is none. */
  static parse(text: string): Authority | undefined {
    try {
      const authority = new Authority(text)
      const isWhole = authority.#own.ca && authority.#own.publicKey.equals(createPublicKey(authority.#key))
      return isWhole ? authority : undefined
    } catch {
      return undefined
    }
  }

  /** Since when it is there. */
  get since(): Date {
    return new Date(this.#own.validFrom)
  }

  /** A new key with its certificate, PEM. */
  issue({ commonName, hosts }: Holder, now = new Date()): string {
    const { publicKey, privateKey } = generateKeys()
    // A member of etcd is a client of the others, and of itself.
    const uses: readonly Use[] = hosts.length === 0 ? ['client'] : ['server', 'client']
    const issuer = { commonName: commonNameOf(this.#own), privateKey: this.#key }
    const text = certificate({ commonName, publicKey, hosts, uses, ...lifeOf(now, LASTS_MS) }, issuer)
    return text + keyText(privateKey)
  }

  /** Why a certificate has to be replaced, in words; `undefined`: it is as `holder` needs it. */
  faultOf(text: string, { commonName, hosts }: Holder, now = new Date()): string | undefined {
    let found: X509Certificate
    try {
      found = new X509Certificate(text)
    } catch {
      return 'unreadable'
    }
    if (!found.checkIssued(this.#own) || !found.verify(this.#own.publicKey)) return 'of another authority'
    const known = (host: string): boolean =>
      (isIP(host) === 0 ? found.checkHost(host) : found.checkIP(host)) !== undefined
    if (commonNameOf(found) !== commonName || !hosts.every(known)) return 'for another name'
    const end = new Date(found.validTo)
    return end.getTime() - now.getTime() < RENEWED_BEFORE_MS
      ? `good until ${end.toISOString().slice(0, 10)} only`
      : undefined
  }
}

function generateKeys(): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function keyText(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function lifeOf(now: Date, lastsMs: number): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(now.getTime() - AHEAD_MS), notAfter: new Date(now.getTime() + lastsMs) }
}

function commonNameOf({ subject }: X509Certificate): string {
  return /^CN=(.*)$/m.exec(subject)?.[1] ?? ''
}
