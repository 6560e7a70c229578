import type { NumberBlock } from '../../lib/ims/enum/file-enum.ts'
import type { CriteriaSets } from '../../lib/ims/ifc/sets.ts'
/** Application servers that are built into sprout. */
export const SERVER_NAMES = ['mmtel', 'cdiv', 'gemini', 'memento', 'mangelwurzel'] as const

export type ServerName = (typeof SERVER_NAMES)[number]

/** A built-in application server that is switched on. */
export interface ServerPlace {
  readonly name: ServerName
  /** Undefined: it has none of its own, and is reached by its name at those of the other functions. */
  readonly port: number | undefined
}

/** All of them, as where there is nobody to switch them on: those with a usual port listen there. */
export function allServers(
  usualPorts: Readonly<Partial<Record<ServerName, number>>>,
): readonly ServerPlace[] {
  return SERVER_NAMES.map(name => ({ name, port: usualPorts[name] }))
}

/** How one sprout node stands in its network. */
export interface SproutOptions {
  /** Domains served here, the default one first. */
  readonly homeDomains: readonly [string, ...string[]]
  readonly bindAddress: string
  /** Host that others reach this very node by; IPv6 in brackets. */
  readonly localHost: string
  /** Base of the cluster's names: `scscf.<it>`, `icscf.<it>`, `bgcf.<it>`. */
  readonly sproutHostname: string
  readonly ports: { readonly icscf: number; readonly scscf: number; readonly bgcf: number }
  readonly servers: readonly ServerPlace[]
  /** `reg_max_expires`: upper bound of a binding's lifetime, in seconds. */
  readonly regMaxExpires: number
  /** `sub_max_expires`: upper bound of a subscription's lifetime, in seconds. */
  readonly subMaxExpires: number
  /** `nonce_count_supported`: a nonce may be used again with a rising count. */
  readonly nonceCountSupported: boolean
  /** `non_register_authentication`: `never` or `if_proxy_authorization_present`. */
  readonly nonRegisterAuthentication: string
  /** `enforce_user_phone`: a SIP URI is a number only with `user=phone`. */
  readonly enforceUserPhone: boolean
  /** `enforce_global_only_lookups`. */
  readonly enforceGlobalOnlyLookups: boolean
  /** `scscf_node_uri`: where application servers send requests back to, if they cannot reach `localHost`. */
  readonly scscfNodeUri?: string
  /** `sprout_rr_level`: `pcscf`, `pcscf,icscf` or `pcscf,icscf,as`. */
  readonly recordRouteLevel: string
  /** `session_continued_timeout_ms`: how long an application server that can be done without may be silent; 0 is for ever. */
  readonly sessionContinuedTimeoutMs: number
  /** `session_terminated_timeout_ms`: the same for one that cannot. */
  readonly sessionTerminatedTimeoutMs: number
  /** `force_third_party_reg_body`: servers get the REGISTER and its 200 whether their criteria say so or not. */
  readonly forceThirdPartyRegBody: boolean
  /** `override_npdi`: ENUM is asked where a number has been ported to also when the request says so itself. */
  readonly overrideNpdi: boolean
  /** `external_icscf_uri`: an I-CSCF in place of our own. */
  readonly externalIcscfUri: string | undefined
  /** `emergency_uri`: where calls to emergency services go. */
  readonly emergencyUri: string | undefined
  /** What numbers stand for is asked here. */
  readonly enum: EnumSource
  /** The entries of `enum.json`, where that is asked. */
  readonly numberBlocks: readonly NumberBlock[]
  /** The criteria of `shared_ifcs.xml` and `fallback_ifcs.xml`. */
  readonly criteriaSets: CriteriaSets
  /** `apply_fallback_ifcs`: requests that meet no criterion of their user are tried with the fallback ones. */
  readonly applyFallbackIfcs: boolean
  /** `reject_if_no_matching_ifcs`: requests that meet no criterion are refused. */
  readonly rejectIfNoMatchingIfcs: boolean
  /** `dummy_app_server`: criteria that name it match, and lead nowhere. */
  readonly dummyAppServer?: string
  /** `blacklisted_scscf_uris`: S-CSCFs that the I-CSCF must not choose. */
  readonly blacklistedScscfUris?: readonly string[]
  /** The S-CSCFs of `s-cscf.json`; none: our own. */
  readonly scscfs: readonly ScscfEntry[]
  /** `home_country_code`: calls to numbers of this country are not international. */
  readonly homeCountryCode: string
  /** The routes of `bgcf.json`. */
  readonly bgcfRoutes: readonly BgcfRoute[]
}

/** Where it is known what numbers stand for (`enum_server`, `enum_file`, `default_tel_uri_translation`). */
export type EnumSource =
  | { readonly from: 'dns'; readonly servers: readonly string[]; readonly suffix: string }
  | { readonly from: 'file' }
  /** Each number is a user of the home domain. */
  | { readonly from: 'home-domain' }
  | { readonly from: 'nowhere' }

/** One entry of `s-cscf.json`: an S-CSCF that the I-CSCF may choose. */
export interface ScscfEntry {
  /** SIP URI. */
  readonly server: string
  /** Lower is earlier. */
  readonly priority: number
  readonly weight: number
  readonly capabilities: readonly number[]
}

/** One entry of `bgcf.json`: where calls to a domain or to numbers with a prefix leave the network. */
export type BgcfRoute =
  | { readonly domain: string; readonly route: readonly string[] }
  | { readonly number: string; readonly route: readonly string[] }
