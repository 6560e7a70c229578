import { declare } from '../option.ts'

/** `/etc/clearwater/local_config`: what is this node's own. `cw deploy` writes all of it from the deployment file. */
export const LOCAL_OPTIONS = [
  ...declare({ scope: 'local', section: '8.21.2 Local Config', impact: 'rebuild' }, [
    {
      name: 'local_ip',
      type: 'ip',
      required: true,
      doc: 'Address of this node towards the other nodes and the rest of the core.',
      usedBy: [
        'bono',
        'sprout',
        'homestead',
        'homestead-prov',
        'homer',
        'ellis',
        'ralf',
        'memento',
        'chronos',
        'etcd',
      ],
    },
    {
      name: 'public_ip',
      type: 'ip',
      required: true,
      doc: 'Address at which clients outside reach this node; need not be one of its interfaces.',
      usedBy: ['bono', 'sprout', 'ellis', 'coturn'],
    },
    {
      name: 'public_hostname',
      type: 'host',
      required: true,
      doc: 'Name that resolves to public_ip and means this node only, or public_ip itself.',
      usedBy: ['bono', 'sprout', 'homestead', 'ralf', 'ellis'],
    },
    {
      name: 'node_idx',
      type: 'integer',
      doc: 'Number of this node among those of its kind.',
      usedBy: ['sip-stress'],
    },
    {
      name: 'etcd_cluster',
      type: 'ip-list',
      required: true,
      doc: 'Addresses of the members of the etcd cluster. A founding member stands in it itself, a joining one does not.',
      usedBy: ['etcd', 'config-manager', 'cluster-manager', 'queue-manager'],
    },
    {
      name: 'etcd_cluster_key',
      type: 'name',
      derived: 'the role of the node',
      doc: 'Name of the store clusters that this node joins. Must be set where a node has several roles.',
      usedBy: ['cluster-manager', 'queue-manager'],
    },
    {
      name: 'scscf_node_uri',
      type: 'sip-uri',
      derived: 'sip:<local_ip>:<scscf>',
      impact: 'restart',
      doc: 'Where application servers send requests back to this S-CSCF, if they cannot reach its local_ip.',
      usedBy: ['sprout'],
    },
  ]),
  ...declare({ scope: 'local', section: '8.9.5 Create the per-node configuration', impact: 'rebuild' }, [
    {
      name: 'local_site_name',
      type: 'name',
      default: 'site1',
      doc: 'Site of this node: prefix of shared data in etcd and name of the Cassandra data centre.',
      usedBy: ['config-manager', 'cluster-manager', 'queue-manager', 'sprout', 'ralf', 'cassandra'],
    },
    {
      name: 'remote_site_name',
      type: 'name',
      doc: 'The other site of a geographically redundant deployment.',
      usedBy: ['cluster-manager', 'sprout', 'ralf'],
    },
  ]),
  ...declare({ scope: 'local', section: '8.45 Multiple network support', impact: 'rebuild' }, [
    {
      name: 'signaling_namespace',
      type: 'name',
      doc: 'Network namespace in which the daemons run, where signalling and management networks are apart.',
      usedBy: ['bono', 'sprout', 'homestead', 'homer', 'ellis', 'ralf', 'memento', 'chronos'],
    },
    {
      name: 'management_local_ip',
      type: 'ip',
      derived: 'local_ip',
      doc: 'Address of this node in the management network: etcd, the managers, SNMP and SSH.',
      usedBy: ['etcd', 'config-manager', 'cluster-manager', 'queue-manager', 'snmpd'],
    },
  ]),
  ...declare({ scope: 'local', section: '8.43 IBCF', impact: 'restart' }, [
    {
      name: 'trusted_peers',
      type: 'ip-list',
      alsoIn: ['shared'],
      impact: 'reload',
      doc: 'Addresses of SIP trunks: makes bono an IBCF towards them.',
      usedBy: ['bono'],
    },
  ]),
]
