/** Base of the names of sprout's functions where nothing else is set: `icscf.<it>`, `scscf.<it>`, `bgcf.<it>`. */
export function sproutHostnameOf(domain: string): string {
  return `sprout.${domain}`
}

/**
 * Name of the S-CSCF cluster. Homestead hands it out as Server-Name over Cx and sprout knows itself by it, so both have
 * to write it alike (TS 29.228 §6.3.3).
 */
export function scscfUriOf(sproutHostname: string, scscfPort: number): string {
  return `sip:scscf.${sproutHostname}:${scscfPort};transport=TCP`
}
