import { declare } from '../option.ts'

/** The manual's experimental options, and those of its stress tests. */
export const EXPERIMENTAL_OPTIONS = [
  ...declare({ scope: 'shared', section: '8.21.3 Experimental options', impact: 'restart' }, [
    {
      name: 'cassandra_hostname',
      type: 'host-list',
      derived: 'stores on this node',
      doc: 'Nodes of the Cassandra cluster that keeps subscribers, service documents and call lists.',
      usedBy: ['homestead', 'homer', 'memento', 'sprout'],
    },
    {
      name: 'ralf_secure_listen_port',
      type: 'port',
      default: '5659',
      doc: 'Port of ralf for Diameter over TLS.',
      usedBy: ['ralf'],
    },
    {
      name: 'hs_secure_listen_port',
      type: 'port',
      default: '5658',
      doc: 'Port of homestead for Diameter over TLS.',
      usedBy: ['homestead'],
    },
    {
      name: 'ellis_cookie_key',
      type: 'text',
      secret: true,
      doc: 'Key that ellis nodes of one cluster have in common.',
      usedBy: ['ellis'],
    },
    {
      name: 'stateless_proxies',
      type: 'domain-list',
      doc: 'Stateless proxies by the names of their clusters; a transaction that times out does not blacklist them.',
      usedBy: ['sprout'],
    },
    {
      name: 'hss_reregistration_time',
      type: 'seconds',
      min: 1,
      unit: 'seconds',
      derived: 'the greater of 1800 and half of reg_max_expires',
      doc: 'Shortest time between two re-registrations told to the HSS. The cache lives twice as long.',
      usedBy: ['homestead'],
    },
  ]),
  ...declare({ scope: 'shared', section: '8.56 Stress Testing', impact: 'restart' }, [
    {
      name: 'bono_servers',
      type: 'host-list',
      doc: 'The bono nodes that stress is put on.',
      usedBy: ['sip-stress'],
    },
    {
      name: 'stress_target',
      type: 'host',
      derived: 'the entry of bono_servers at node_idx, else home_domain',
      doc: 'The host that stress is put on.',
      usedBy: ['sip-stress'],
    },
    {
      name: 'base',
      type: 'word',
      default: '2010000000',
      doc: 'First directory number of the stress subscribers.',
      usedBy: ['sip-stress'],
    },
    {
      name: 'count',
      type: 'integer',
      min: 2,
      default: '30000',
      doc: 'Stress subscribers on a node; an even number.',
      usedBy: ['sip-stress'],
    },
  ]),
]
