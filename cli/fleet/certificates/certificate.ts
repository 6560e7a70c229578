import { createHash, createPublicKey, randomBytes, sign, type KeyObject } from 'node:crypto'
import { isIPv4 } from 'node:net'
import {
  bits,
  explicit,
  implicit,
  integer,
  objectId,
  octets,
  sequence,
  set,
  time,
  TRUE,
  utf8,
} from './der.ts'

/** What a certificate is to be good for. */
export type Use = 'authority' | 'server' | 'client'

export interface CertificateRequest {
  readonly commonName: string
  readonly publicKey: KeyObject
  /** Names and addresses by which a server is reached. */
  readonly hosts: readonly string[]
  readonly uses: readonly Use[]
  readonly notBefore: Date
  readonly notAfter: Date
}

/** Who vouches for it. The key is one of P-256. */
export interface Issuer {
  readonly commonName: string
  readonly privateKey: KeyObject
}

const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  subjectAltName: '2.5.29.17',
  subjectKeyIdentifier: '2.5.29.14',
  authorityKeyIdentifier: '2.5.29.35',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const

const SIGNATURE = sequence(objectId(OID.ecdsaWithSha256))

/**
 * An X.509 certificate (RFC 5280), as PEM. Node reads, checks and signs them, but does not put them together: that is the
 * little which stands here.
 */
export function certificate(request: CertificateRequest, issuer: Issuer): string {
  const { commonName, publicKey, notBefore, notAfter } = request
  const toBeSigned = sequence(
    explicit(0, integer(Buffer.of(2))),
    // Positive, and nobody can guess it.
    integer(Buffer.concat([Buffer.of(1), randomBytes(15)])),
    SIGNATURE,
    nameOf(issuer.commonName),
    sequence(time(notBefore), time(notAfter)),
    nameOf(commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(3, sequence(...extensionsOf(request), ...keyIdentifiers(publicKey, issuer))),
  )
  const signature = sign('sha256', toBeSigned, issuer.privateKey)
  return pem('CERTIFICATE', sequence(toBeSigned, SIGNATURE, bits(signature)))
}

function nameOf(commonName: string): Buffer {
  return sequence(set(sequence(objectId(OID.commonName), utf8(commonName))))
}

function extensionsOf({ uses, hosts }: CertificateRequest): readonly Buffer[] {
  if (uses.includes('authority')) {
    // It signs certificates (bit 5) of those who sign none.
    const constraints = sequence(TRUE, integer(Buffer.of(0)))
    return [
      extension(OID.basicConstraints, constraints, true),
      extension(OID.keyUsage, bits(Buffer.of(0b0000_0100), 2), true),
    ]
  }
  const purposes = uses.map(use => objectId(use === 'server' ? OID.serverAuth : OID.clientAuth))
  return [
    extension(OID.keyUsage, bits(Buffer.of(0b1000_0000), 7), true),
    extension(OID.extendedKeyUsage, sequence(...purposes)),
    ...(hosts.length === 0 ? [] : [extension(OID.subjectAltName, sequence(...hosts.map(alternative)))]),
  ]
}

/** By these an issuer is found among several of one name. */
function keyIdentifiers(subject: KeyObject, { privateKey }: Issuer): readonly Buffer[] {
  return [
    extension(OID.subjectKeyIdentifier, octets(identifierOf(subject))),
    extension(OID.authorityKeyIdentifier, sequence(implicit(0, identifierOf(createPublicKey(privateKey))))),
  ]
}

/** As RFC 7093 §2 has it. */
function identifierOf(key: KeyObject): Buffer {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, 20)
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(objectId(id), ...(critical ? [TRUE] : []), octets(value))
}

/** A name, or the octets of an address. */
function alternative(host: string): Buffer {
  if (isIPv4(host)) return implicit(7, Buffer.from(host.split('.').map(Number)))
  return host.includes(':') ? implicit(7, ipv6Octets(host)) : implicit(2, Buffer.from(host))
}

function ipv6Octets(address: string): Buffer {
  // The parser of URLs knows every way of writing one, and writes it in one way.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = canonical.split('::')
  const groupsOf = (text: string): readonly string[] => (text === '' ? [] : text.split(':'))
  const [before, after] = [groupsOf(head), groupsOf(tail ?? '')]
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return Buffer.from([...before, ...zeros, ...after].map(group => group.padStart(4, '0')).join(''), 'hex')
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}
