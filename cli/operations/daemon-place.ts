import { isIP, isIPv6 } from 'node:net'
import { hostname } from 'node:os'
import type { Cluster } from '../../lib/clustering/clusters.ts'
import type { ChronosView } from '../../daemons/chronos/cluster.ts'
import { allServers, SERVER_NAMES, type EnumSource, type ServerPlace } from '../../daemons/sprout/options.ts'
import { scscfUriOf, sproutHostnameOf } from '../../lib/config/names.ts'
import { callListSettingsOf, DEFAULT_CALL_LISTS, type CallListSettings } from '../../lib/config/call-lists.ts'
import { EXTERNAL_CASSANDRA } from '../../lib/config/deployment/cassandra.ts'
import { DEFAULT_LIMITS, limitsOf, type Limits } from '../../lib/config/limits.ts'
import { findOption } from '../../lib/config/options.ts'
import { daemonPortsAt, type DaemonPorts } from '../../lib/config/ports.ts'
import { DEFAULT_SETTINGS, settingsOf, type Settings } from '../../lib/config/settings.ts'
import { entriesOf } from '../../lib/config/value.ts'
import type { KnownNames } from '../../lib/dns/known-names.ts'
import { addressLookup, machineDns, type AddressLookup } from '../../lib/dns/machine-dns.ts'
import { SipResolver } from '../../lib/dns/sip-resolver.ts'
import { uriHost } from '../../lib/kit/address.ts'
import { seconds, type Duration } from '../../lib/kit/clock.ts'
import { CwError } from '../../lib/kit/errors.ts'
import { cqlAddress } from '../../lib/store/cassandra/cluster-file.ts'
import type { CassandraView } from '../../lib/store/cassandra/database.ts'
import type { ClusterView } from '../../lib/store/memcached/cluster-settings.ts'
import type { Resolver, Target } from '../../lib/sip/resolver.ts'
import { ownAddress, requireAddress } from './addresses.ts'
import type { NodeFiles } from './daemon-files.ts'
import { NO_SHARED_FILES, type SharedFiles } from './daemon-shared.ts'
import { withKnownHosts } from './known-hosts.ts'

/** Where a daemon stands and what it has been told: by flags, or by a node's configuration files. */
export interface Place {
  /** Each daemon keeps its data in a folder of its own name in here. */
  readonly dataDir: string
  /** The default one first. */
  readonly homeDomains: readonly [string, ...string[]]
  /** Where everything listens. */
  readonly bind: string
  /** What the rest of the core calls this node; no wildcard. */
  readonly address: string
  /** What clients call this node. IPv6 in brackets. */
  readonly publicHost: string
  /** Base of the names of sprout's functions: `scscf.<it>`. */
  readonly sproutHostname: string
  readonly scscfUri: string
  /** Where application servers find this very S-CSCF, if not at its address. */
  readonly scscfNodeUri?: string
  readonly ports: DaemonPorts
  /** Application servers that sprout has built in. */
  readonly servers: readonly ServerPlace[]
  /** Where bono's requests enter the core; without a port DNS tells it. */
  readonly upstream: { readonly host: string; readonly port: number | undefined }
  /** `http://host:port`. */
  readonly homestead: string
  /** `http://host:port`. */
  readonly homer: string
  readonly trustedPeers: readonly string[]
  readonly pbxes: readonly string[]
  readonly pbxServiceRoute?: string
  readonly resolver: Resolver
  /** Where the hosts of HTTP servers are. */
  readonly lookup: AddressLookup
  readonly limits: Limits
  readonly settings: Settings
  readonly callLists: CallListSettings
  /** Where it is known what numbers stand for. */
  readonly enum: EnumSource
  readonly externalIcscfUri: string | undefined
  readonly emergencyUri: string | undefined
  readonly dummyAppServer?: string
  readonly blacklistedScscfUris: readonly string[]
  readonly shared: SharedFiles
  /** The memcached servers that sprouts share; absent: there is only one sprout. */
  readonly cluster?: ClusterView
  /** Those of the other site's sprouts; absent: there is no other site. */
  readonly otherSite?: ClusterView
  /** The clusters of stores that the node is to be in. */
  readonly clusters: readonly Cluster[]
  /** The nodes of the timer service; absent: each daemon keeps its own timers. */
  readonly chronos?: ChronosView
  /** Where subscribers, service documents and call lists are; absent: on this node. */
  readonly cassandra?: CassandraView
  /** Absent: it is told by flags and stands for itself. */
  readonly node?: NodeIdentity
  /** What transactions under way get when the daemon is told to stop. */
  readonly drain: Duration
}

/** What a node is within its deployment. */
export interface NodeIdentity {
  /** Where its configuration files are. */
  readonly folder: string
  readonly name: string
  readonly site: string
  /** The other site, if there is one. */
  readonly remoteSite: string | undefined
  /** Towards etcd and the operator. */
  readonly managementAddress: string
  /** Its entry among those that wait for a restart. */
  readonly queueId: string
  /** `http://host:port` of each member. */
  readonly etcd: readonly string[]
}

/** What the flags of `cw daemon` say. */
export interface DaemonFlags {
  readonly dataDir: string
  readonly domain: string
  readonly bind: string
  readonly advertise: string | undefined
  readonly portOffset: number
  readonly sproutHostname: string
  /** Where bono's requests enter the core, and the other functions of that sprout are. */
  readonly upstream: { readonly host: string; readonly port: number }
  /** `http://host:port`, for sprout and memento. */
  readonly homestead: string
  /** `http://host:port`, for sprout. */
  readonly homer: string
}

/** @throws CwError OPTION_INVALID */
export function placeOfFlags(flags: DaemonFlags): Place {
  const { dataDir, domain, bind, sproutHostname, upstream, homestead, homer } = flags
  requireAddress('--bind', bind)
  const address = flags.advertise ?? ownAddress(bind)
  requireAddress('--advertise', address)
  const ports = daemonPortsAt(flags.portOffset)
  const [dns, family] = [machineDns(), isIPv6(address) ? 6 : 4] as const
  return {
    dataDir,
    homeDomains: [domain],
    bind,
    address,
    publicHost: uriHost(address),
    sproutHostname,
    scscfUri: scscfUriOf(sproutHostname, ports.scscf),
    ports,
    servers: allServers(ports),
    upstream,
    homestead,
    homer,
    trustedPeers: [],
    pbxes: [],
    resolver: withSproutAt(upstream.host, sproutHostname, ports, new SipResolver({ family, dns })),
    lookup: addressLookup(dns, family),
    limits: DEFAULT_LIMITS,
    settings: DEFAULT_SETTINGS,
    callLists: DEFAULT_CALL_LISTS,
    enum: enumSourceOf(new Map(), DEFAULT_SETTINGS),
    externalIcscfUri: undefined,
    emergencyUri: undefined,
    blacklistedScscfUris: [],
    shared: NO_SHARED_FILES,
    clusters: [],
    drain: seconds(5),
  }
}

/** DNS, except for the names of sprout's functions, which are where bono's upstream is. */
function withSproutAt(host: string, sproutHostname: string, ports: DaemonPorts, others: Resolver): Resolver {
  const at = (port: number): Target => ({ transport: 'TCP', address: host, port })
  const known = new Map([
    [`icscf.${sproutHostname}`, at(ports.icscf)],
    [`bgcf.${sproutHostname}`, at(ports.bgcf)],
    [`scscf.${sproutHostname}`, at(ports.scscf)],
  ])
  return withKnownHosts(known, others)
}

/** What a node's files leave open. */
export interface NodePlacement {
  readonly folder: string
  readonly dataDir: string
  /** Added to every port that the daemon listens on. */
  readonly portOffset: number
  /** Names that need no DNS, beside those in `/etc/hosts`. */
  readonly names: KnownNames
}

/** A node has this long to finish a call's set-up or a registration; its unit's TimeoutStopSec lies above. */
const NODE_DRAIN = seconds(20)

/** @throws CwError FILE_INVALID where something is missing that nothing can be done without */
export function placeOfFiles(files: NodeFiles, { folder, dataDir, portOffset, names }: NodePlacement): Place {
  const { values, cluster, otherSite, chronos, bgcfRoutes, numberBlocks, scscfs, criteriaSets, priorities } =
    files
  const settings = settingsOf(values)
  const address = required(values, 'local_ip', folder, files.complaints)
  const domain = required(values, 'home_domain', folder, files.complaints).toLowerCase()
  const sproutHostname = values.get('sprout_hostname')?.toLowerCase() ?? sproutHostnameOf(domain)
  const port = (option: string, usual: number): number => Number(values.get(option) ?? usual)
  const usual = daemonPortsAt(0)
  const listening = daemonPortsAt(portOffset)
  const ports: DaemonPorts = {
    ...listening,
    // 0 would switch a function off; none of these three can be.
    icscf: (port('icscf', 0) || usual.icscf) + portOffset,
    bgcf: (port('bgcf', 0) || usual.bgcf) + portOffset,
    scscf: (port('scscf', 0) || usual.scscf) + portOffset,
    provisioning: port('homestead_provisioning_port', usual.provisioning) + portOffset,
  }
  const builtInServers = serversOf(values, ports.scscf, portOffset)
  const upstreamPort = port('upstream_port', usual.icscf)
  const pbxServiceRoute = values.get('pbx_service_route')
  const dummyAppServer = values.get('dummy_app_server')
  const scscfNodeUri = values.get('scscf_node_uri')
  const servers = entriesOf(values.get('signaling_dns_server') ?? '').filter(each => isIP(each) !== 0)
  const [dns, family] = [machineDns({ servers, names }), isIPv6(address) ? 6 : 4] as const
  return {
    dataDir,
    homeDomains: [domain, ...listOf(values.get('additional_home_domains')).map(each => each.toLowerCase())],
    bind: address,
    address,
    publicHost: uriHost(values.get('public_hostname') ?? values.get('public_ip') ?? address),
    sproutHostname,
    scscfUri: scscfUriOf(sproutHostname, ports.scscf),
    ...(scscfNodeUri === undefined ? {} : { scscfNodeUri }),
    ports,
    servers: builtInServers,
    upstream: {
      host: uriHost(values.get('upstream_hostname') ?? `icscf.${sproutHostname}`),
      port: upstreamPort === 0 ? undefined : upstreamPort,
    },
    homestead: originOf(values.get('hs_hostname') ?? `hs.${domain}`, usual.homestead),
    homer: originOf(values.get('xdms_hostname') ?? `homer.${domain}`, usual.homer),
    trustedPeers: listOf(values.get('trusted_peers')),
    pbxes: listOf(values.get('pbxes')),
    ...(pbxServiceRoute === undefined ? {} : { pbxServiceRoute }),
    lookup: addressLookup(dns, family),
    limits: limitsOf(values),
    resolver: new SipResolver({
      family,
      dns,
      // Where there is no zone, no SRV record tells them. A node of application servers has a name of its own, and yet
      // to do with the S-CSCFs of the deployment.
      usualPorts: new Map([
        ...[sproutHostname, sproutHostnameOf(domain)].flatMap(each => [
          [`icscf.${each}`, ports.icscf] as const,
          [`bgcf.${each}`, ports.bgcf] as const,
          [`scscf.${each}`, ports.scscf] as const,
        ]),
        ...builtInServers.map(
          server => [`${server.name}.${sproutHostname}`, server.port ?? ports.scscf] as const,
        ),
      ]),
    }),
    callLists: callListSettingsOf(values),
    settings,
    enum: enumSourceOf(values, settings),
    externalIcscfUri: values.get('external_icscf_uri'),
    emergencyUri: values.get('emergency_uri'),
    ...(dummyAppServer === undefined ? {} : { dummyAppServer }),
    blacklistedScscfUris: listOf(values.get('blacklisted_scscf_uris')),
    shared: { bgcfRoutes, numberBlocks, scscfs, criteriaSets, priorities },
    clusters: files.clusters ?? [],
    ...(cluster === undefined ? {} : { cluster }),
    ...(otherSite === undefined ? {} : { otherSite }),
    // Each node is to itself what the file of all says of none.
    ...(chronos === undefined ? {} : { chronos: { ...chronos, local: address } }),
    ...cassandraOf(files),
    node: nodeIdentity(values, folder, address),
    drain: NODE_DRAIN,
  }
}

/** Those whose option gives them a port. It may be the S-CSCF's: on a node of application servers it often is. */
function serversOf(
  values: ReadonlyMap<string, string>,
  scscfPort: number,
  portOffset: number,
): readonly ServerPlace[] {
  return SERVER_NAMES.flatMap(name => {
    const given = Number(values.get(name) ?? findOption(name)?.default)
    const port = given + portOffset
    return given > 0 ? [{ name, port: port === scscfPort ? undefined : port }] : []
  })
}

/** Servers before a file before the home domain (manual 8.21.3). */
function enumSourceOf(values: ReadonlyMap<string, string>, settings: Settings): EnumSource {
  const servers = listOf(values.get('enum_server'))
  if (servers.length > 0) return { from: 'dns', servers, suffix: values.get('enum_suffix') ?? 'e164.arpa' }
  if (values.has('enum_file')) return { from: 'file' }
  return { from: settings.defaultTelUriTranslation ? 'home-domain' : 'nowhere' }
}

/** The operator's own cluster before that of the deployment. */
function cassandraOf({ values, cassandra }: NodeFiles): Pick<Place, 'cassandra'> {
  const hosts = listOf(values.get(EXTERNAL_CASSANDRA))
  if (hosts.length === 0) return cassandra === undefined ? {} : { cassandra }
  return {
    cassandra: { contactPoints: hosts.map(cqlAddress), site: values.get('local_site_name') ?? DEFAULT_SITE },
  }
}

const DEFAULT_SITE = 'site1'
const ETCD_PORT = 4000

function nodeIdentity(values: ReadonlyMap<string, string>, folder: string, address: string): NodeIdentity {
  const managementAddress = values.get('management_local_ip') ?? address
  return {
    folder,
    name: hostname(),
    site: values.get('local_site_name') ?? DEFAULT_SITE,
    remoteSite: values.get('remote_site_name'),
    managementAddress,
    queueId: `${managementAddress}-${values.get('etcd_cluster_key') ?? 'node'}`,
    etcd: listOf(values.get('etcd_cluster')).map(member => `https://${uriHost(member)}:${ETCD_PORT}`),
  }
}

function required(
  values: ReadonlyMap<string, string>,
  name: string,
  folder: string,
  complaints: readonly string[],
): string {
  const value = values.get(name)
  if (value !== undefined) return value
  throw new CwError('FILE_INVALID', `the configuration gives no ${name} that can be used`, {
    where: { file: folder },
    why: complaints.join('; ') || 'none of shared_config, local_config and user_settings is there',
    changed: 'nothing',
    remedies: ['write the files of this node again: cw deploy'],
  })
}

function listOf(text: string | undefined): readonly string[] {
  return text === undefined ? [] : entriesOf(text)
}

/** `host`, `host:port` or `[IPv6]:port` as the origin of an HTTP server. */
function originOf(hostPort: string, usualPort: number): string {
  if (isIPv6(hostPort)) return `http://${uriHost(hostPort)}:${usualPort}`
  return /:\d+$/.test(hostPort) ? `http://${hostPort}` : `http://${hostPort}:${usualPort}`
}
