/** What the gateway speaks: protobuf as JSON, numbers of 64 bits as strings, default values left out. */
export type JsonObject = Readonly<Record<string, unknown>>

/** @throws SyntaxError if it is not one object */
export function parseJson(text: string): JsonObject {
  const value: unknown = JSON.parse(text)
  if (isObject(value)) return value
  throw new SyntaxError('not a JSON object')
}

export function objectIn(object: JsonObject, name: string): JsonObject {
  const value = object[name]
  return isObject(value) ? value : {}
}

export function objectsIn(object: JsonObject, name: string): readonly JsonObject[] {
  const value = object[name]
  return Array.isArray(value) ? value.filter(isObject) : []
}

/** Revisions stay far below 2^53. */
export function numberIn(object: JsonObject, name: string): number {
  return Number(object[name] ?? 0)
}

export function textIn(object: JsonObject, name: string): string {
  const value = object[name]
  return typeof value === 'string' ? value : ''
}

export function bytesIn(object: JsonObject, name: string): Buffer {
  return Buffer.from(textIn(object, name), 'base64')
}

export function base64(value: string | Uint8Array): string {
  return (typeof value === 'string' ? Buffer.from(value) : Buffer.from(value)).toString('base64')
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
