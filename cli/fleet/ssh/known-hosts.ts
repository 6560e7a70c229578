import { createHash, createHmac } from 'node:crypto'
import { mkdir, open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CwError } from '../../../lib/kit/errors.ts'
import { Limiter } from '../../../lib/kit/limiter.ts'

/** A line of a known_hosts file (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). */
interface KnownHost {
  readonly file: string
  readonly line: number
  readonly revoked: boolean
  readonly patterns: string
  readonly keyType: string
  readonly key: Buffer
}

export interface KnownKey {
  readonly file: string
  readonly line: number
  readonly keyType: string
  readonly fingerprint: string
}

export type HostKeyVerdict =
  | { readonly kind: 'known' }
  /** No line is about this host. */
  | { readonly kind: 'unknown' }
  /** There are lines about this host, and none has this key: `known` is the nearest. */
  | { readonly kind: 'changed'; readonly known: KnownKey }
  /** A line says that this key must not be trusted any more. */
  | { readonly kind: 'revoked'; readonly known: KnownKey }

/** Lines longer than any real key are not read. */
const MAX_LINE = 32 * 1024

/** Parses the text of a known_hosts file. Lines that make no sense are passed over, as OpenSSH does. */
export function parseKnownHosts(text: string, file: string): readonly KnownHost[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.length > MAX_LINE || /^\s*(#|$)/.test(line)) return []
    const fields = line.trim().split(/\s+/)
    const marker = fields[0]?.startsWith('@') === true ? fields.shift() : undefined
    const [patterns, keyType, base64] = fields
    // A certificate authority vouches for certificates, which are not asked for here.
    if (marker === '@cert-authority' || patterns === undefined || base64 === undefined) return []
    const key = Buffer.from(base64, 'base64')
    if (keyType === undefined || keyType !== keyTypeOf(key)) return []
    return [{ file, line: index + 1, revoked: marker === '@revoked', patterns, keyType, key }]
  })
}

/** The known hosts of some files, the first of which takes new ones. */
export class KnownHosts {
  readonly file: string
  readonly #files: readonly string[]
  readonly #writing = new Limiter(1)
  #hosts: readonly KnownHost[] = []

  constructor(file: string, others: readonly string[] = []) {
    this.file = file
    this.#files = [file, ...others]
  }

  /** Reads the files; one that is not there is empty. FILE_UNREADABLE when one cannot be read. */
  async load(): Promise<this> {
    const parsed = await Promise.all(
      this.#files.map(async file => parseKnownHosts(await readIfThere(file), file)),
    )
    this.#hosts = parsed.flat()
    return this
  }

  /** What the files say of a key that a host has shown. */
  check(host: string, port: number, key: Buffer): HostKeyVerdict {
    const about = this.#about(host, port)
    const revoked = about.find(each => each.revoked && each.key.equals(key))
    if (revoked) return { kind: 'revoked', known: knownKey(revoked) }
    const trusted = about.filter(each => !each.revoked)
    if (trusted.some(each => each.key.equals(key))) return { kind: 'known' }
    const nearest = trusted.find(each => each.keyType === keyTypeOf(key)) ?? trusted[0]
    return nearest ? { kind: 'changed', known: knownKey(nearest) } : { kind: 'unknown' }
  }

  /** Types of the keys that are known of a host, such as `ssh-ed25519`: the host should be asked for one of these. */
  keyTypes(host: string, port: number): readonly string[] {
    return [...new Set(this.#about(host, port).flatMap(each => (each.revoked ? [] : [each.keyType])))]
  }

  /** Adds a line to the file: one write at its end, so that two processes at once do not disturb each other. */
  add(host: string, port: number, key: Buffer): Promise<void> {
    return this.#writing.run(async () => {
      const line = `${nameOf(host, port)} ${keyTypeOf(key) ?? ''} ${key.toString('base64')}\n`
      await this.#append(line).catch((cause: unknown) => {
        throw unusable(this.file, 'written', cause)
      })
      await this.load()
    })
  }

  async #append(line: string): Promise<void> {
    await mkdir(dirname(this.file), { recursive: true, mode: 0o700 })
    const file = await open(this.file, 'a+', 0o600)
    try {
      const { size } = await file.stat()
      const last = await file.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1))
      await file.write(size === 0 || last.buffer[0] === 0x0a ? line : `\n${line}`)
      await file.sync()
    } finally {
      await file.close()
    }
  }

  #about(host: string, port: number): readonly KnownHost[] {
    const name = nameOf(host, port)
    return this.#hosts.filter(each => matches(each.patterns, name))
  }
}

/** A key's fingerprint as OpenSSH prints it. */
export function fingerprintOf(key: Buffer): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`
}

/** The type that stands at the beginning of a public key's bytes. */
export function keyTypeOf(key: Buffer): string | undefined {
  if (key.length < 4) return undefined
  const length = key.readUInt32BE(0)
  return length > 0 && length <= 64 && key.length > 4 + length
    ? key.toString('latin1', 4, 4 + length)
    : undefined
}

/** How a host is written in known_hosts: with its port only when that is not the usual one. */
function nameOf(host: string, port: number): string {
  return port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`
}

function matches(patterns: string, name: string): boolean {
  if (patterns.startsWith('|')) return matchesHash(patterns, name)
  let found = false
  for (const pattern of patterns.toLowerCase().split(',')) {
    const negated = pattern.startsWith('!')
    if (!matchesPattern(negated ? pattern.slice(1) : pattern, name)) continue
    if (negated) return false
    found = true
  }
  return found
}

/** `|1|salt|hash`, the name hidden by HMAC-SHA1. */
function matchesHash(hashed: string, name: string): boolean {
  const [, version, salt = '', hash = ''] = hashed.split('|')
  if (version !== '1') return false
  const own = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest()
  return own.equals(Buffer.from(hash, 'base64'))
}

function matchesPattern(pattern: string, name: string): boolean {
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
  // Several stars in a row mean one; as many `.*` they would cost time without end.
  const source = escaped.replaceAll(/\*+/g, '.*').replaceAll('?', '.')
  return new RegExp(`^${source}$`).test(name)
}

function knownKey({ file, line, keyType, key }: KnownHost): KnownKey {
  return { file, line, keyType, fingerprint: fingerprintOf(key) }
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw unusable(file, 'read', error)
  }
}

function unusable(file: string, what: 'read' | 'written', cause: unknown): CwError {
  return new CwError('FILE_UNREADABLE', `${file} cannot be ${what}`, {
    where: { file },
    changed: 'nothing',
    remedies: ['correct its permissions', 'name another one in the deployment file: ssh.knownHosts'],
    cause,
  })
}
