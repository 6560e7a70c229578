/** The ports of a core, before an offset is added. */
export const CORE_PORTS = {
  /** Edge, for clients: SIP over UDP and TCP. */
  client: 5060,
  /** Edge, for clients: SIP over WebSocket. */
  webSocket: 5062,
  /** Edge, for the core. */
  trusted: 5058,
  icscf: 5052,
  bgcf: 5053,
  scscf: 5054,
  homestead: 8888,
  provisioning: 8889,
  homer: 7888,
} as const

export type CorePorts = Readonly<Record<keyof typeof CORE_PORTS, number>>

/** The ports of one core among several on a machine. */
export function portsAt(offset: number): CorePorts {
  const moved = Object.entries(CORE_PORTS).map(([name, port]) => [name, port + offset])
  return Object.fromEntries(moved) as CorePorts
}
