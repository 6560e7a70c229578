/** True for `urn:service:sos` and what is below it, as `urn:service:sos.fire` (RFC 5031 §4.2). */
export function isEmergencyUrn(uri: string): boolean {
  return /^urn:services?:sos(?:\.[\w.-]+)?$/i.test(uri)
}
