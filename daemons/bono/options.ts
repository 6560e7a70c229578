/** How one edge proxy stands in its network. */
export interface BonoOptions {
  /** Domains served here, the default one first. */
  readonly homeDomains: readonly [string, ...string[]]
  /** Address that clients' ports are bound to. */
  readonly bindAddress: string
  /** Address that the core's port is bound to; requests of this edge leave from there. */
  readonly innerAddress: string
  /** Host that the core reaches this node by; goes into Path and the inner Record-Route. IPv6 in brackets. */
  readonly localHost: string
  /** Host that clients reach this node by; goes into the outer Record-Route. IPv6 in brackets. */
  readonly publicHost: string
  readonly ports: { readonly untrusted: number; readonly websocket: number; readonly trusted: number }
  /** Where requests enter the core: host and port of the I-CSCF. */
  readonly upstream: { readonly host: string; readonly port: number | undefined }
  /** Values of Resource-Priority, in lower case, that count here (RFC 4412); absent: none are looked at. */
  readonly priorities?: ReadonlySet<string>
  /** Session-Expires put into calls, in seconds. */
  readonly sessionExpires: number
  /** `allow_emergency_registration`: contacts for emergency calls may be registered. */
  readonly allowEmergencyRegistration: boolean
  /** `allow_anonymous_emergency_calls`: who is not registered may call emergency services. */
  readonly allowAnonymousEmergencyCalls: boolean
  /** Addresses of SIP trunks (the IBCF role). */
  readonly trustedPeers: readonly string[]
  /** Addresses of PBXes that do not register. */
  readonly pbxes: readonly string[]
  /** Where their requests enter the core, as a URI; absent: where clients' do. */
  readonly pbxServiceRoute?: string
  /** Charging function; P-Charging headers are only made when it is set. */
  readonly cdfIdentity?: string
}
