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
  mmtel: 5055,
  homestead: 8888,
  provisioning: 8889,
  homer: 7888,
  /** Memento's HTTP server; its function in sprout speaks SIP and has no usual port. */
  callLists: 11888,
  /** Core: health and figures, and what becomes of registrations. */
  sproutHttp: 9888,
} as const

export type CorePorts = Readonly<Record<keyof typeof CORE_PORTS, number>>

/** The ports of one core among several on a machine. */
export function portsAt(offset: number): CorePorts {
  return moved(CORE_PORTS, offset)
}

/** What daemons open beside that where each has a process of its own: health, figures and interfaces over HTTP. */
export const DAEMON_PORTS = {
  /** Edge: health and figures. */
  bonoHttp: 9060,
  ellis: 80,
  ralf: 10888,
  configManager: 9071,
  queueManager: 9072,
  clusterManager: 9073,
  astaire: 9074,
  chronos: 7253,
  /** Not ours, but on the nodes of those who share it. */
  memcached: 11211,
} as const

export type DaemonPorts = CorePorts & Readonly<Record<keyof typeof DAEMON_PORTS, number>>

/** The ports of daemons that run apart. */
export function daemonPortsAt(offset: number): DaemonPorts {
  return { ...portsAt(offset), ...moved(DAEMON_PORTS, offset) }
}

function moved<Name extends string>(
  ports: Readonly<Record<Name, number>>,
  offset: number,
): Readonly<Record<Name, number>> {
  const entries = Object.entries<number>(ports).map(([name, port]) => [name, port + offset])
  return Object.fromEntries(entries) as Record<Name, number>
}
