/** A subscriber as `cw user show` prints it. */
export interface SubscriberView {
  readonly public_id: string
  readonly private_ids: readonly {
    readonly private_id: string
    /** Empty: there is none. */
    readonly digest_ha1: string
    readonly digest_ha1_sha256?: string
    readonly plaintext_password?: string
    readonly aka?: true
  }[]
  readonly ifc?: string
}

/** All of it, indented under the public id. */
export function formatSubscriber({ public_id, private_ids, ifc }: SubscriberView): string {
  const lines = [`Public User ID ${public_id}:`]
  for (const each of private_ids) {
    lines.push(`  Private User ID ${each.private_id}:`)
    if (each.digest_ha1 !== '') lines.push(`    HA1 digest: ${formatDigest(each)}`)
    if (each.digest_ha1_sha256 !== undefined)
      lines.push(`    HA1 digest (SHA-256): ${each.digest_ha1_sha256}`)
    if (each.aka === true) lines.push('    USIM: its key is stored')
  }
  if (ifc !== undefined)
    lines.push(
      '  iFC:',
      ...ifc
        .trimEnd()
        .split('\n')
        .map(line => `    ${line}`),
    )
  return lines.join('\n')
}

/** One line for each private id. */
export function formatSubscriberShort({ public_id, private_ids }: SubscriberView): string {
  return private_ids.map(each => `${public_id}/${each.private_id}: ${formatDigest(each)}`).join('\n')
}

function formatDigest(each: SubscriberView['private_ids'][number]): string {
  const { digest_ha1, plaintext_password } = each
  if (digest_ha1 === '') return 'USIM'
  return plaintext_password === undefined ? digest_ha1 : `${digest_ha1} (${plaintext_password})`
}
