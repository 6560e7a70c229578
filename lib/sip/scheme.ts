const SCHEMES = new Set(['sip', 'sips', 'tel', 'urn'])

/** Whether a Request-URI is of a kind that is routed here; any other gets 416 (RFC 3261 §16.3 step 2). */
export function hasKnownScheme(uri: string): boolean {
  return uri.startsWith('sip:') || SCHEMES.has(uri.slice(0, uri.indexOf(':')).toLowerCase())
}
