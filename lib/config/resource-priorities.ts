/** The namespaces that are registered with an order, lowest first (RFC 4412 §10). */
const ORDER: ReadonlyMap<string, readonly string[]> = new Map([
  ['dsn', ['routine', 'priority', 'immediate', 'flash', 'flash-override']],
  ['drsn', ['routine', 'priority', 'immediate', 'flash', 'flash-override', 'flash-override-override']],
  ['q735', ['4', '3', '2', '1', '0']],
  ['ets', ['4', '3', '2', '1', '0']],
  ['wps', ['4', '3', '2', '1', '0']],
])

/** A value of Resource-Priority in lower case, `ets.0`. */
export type ResourcePriority = string

/** Of a block of `rph.json`: how high, 1 to 15, and what stands for it. */
export interface PriorityBlock {
  readonly priority: number
  readonly rph_values: readonly string[]
}

/** The values of a valid `rph.json`, whose requests are never refused for load (RFC 4412 §4.7.1, sip.md §8.1). */
export function prioritiesIn(text: string): ReadonlySet<ResourcePriority> {
  const { priority_blocks: blocks } = JSON.parse(text) as { priority_blocks: readonly PriorityBlock[] }
  return new Set(blocks.flatMap(block => block.rph_values.map(value => value.toLowerCase())))
}

/** Whether it is a namespace, a dot and a value (RFC 4412 §3.1). */
export function isResourcePriority(value: unknown): value is string {
  return typeof value === 'string' && /^[\w!%*+`'~-]+\.[\w!%*+`'~-]+$/.test(value)
}

/** Whether one is below another by the order that their namespace is registered with. */
export function isBelow(one: ResourcePriority, other: ResourcePriority): boolean {
  const [namespace = '', value = ''] = one.toLowerCase().split('.')
  const [otherNamespace, otherValue = ''] = other.toLowerCase().split('.')
  const order = namespace === otherNamespace ? ORDER.get(namespace) : undefined
  if (order === undefined || !order.includes(value) || !order.includes(otherValue)) return false
  return order.indexOf(value) < order.indexOf(otherValue)
}
