import { z } from 'zod'
import { mustScript } from '../ssh/shell.ts'
import { action, type ChangeBase } from './action.ts'

const FOLDER = '/etc/clearwater/cassandra'
/** How this node came into the cluster; it matters while it has no data. */
const MEMBERSHIP = `${FOLDER}/membership.env`
export const CASSANDRA_DATA = '/var/lib/clearwater-cassandra'
/** Cassandra makes it once it has a place on the ring. */
const DATA_SYSTEM = `${CASSANDRA_DATA}/data/system`

export const CASSANDRA_UNIT = 'clearwater-cassandra.service'

export interface CassandraMemberChange extends ChangeBase {
  readonly action: 'cassandra-member'
  readonly how: 'found' | 'join'
}

/**
 * Makes a node one of the deployment's Cassandra cluster. The first one of a new deployment founds it: it is a seed of
 * itself, and takes its part of the ring without asking. Every later one, and one that has lost its disk, joins: it is
 * given what it is to have by the others, one node after another. One with data comes back by itself.
 */
export const cassandraMember = action<Record<string, never>, CassandraMemberChange>({
  schema: z.strictObject({}),
  probes: () => [
    { ask: 'path', subject: DATA_SYSTEM },
    { ask: 'path', subject: MEMBERSHIP },
  ],
  changes(_params, { facts, cassandra }) {
    const hasData = facts.path(DATA_SYSTEM).is === 'directory' && facts.path(MEMBERSHIP).is === 'file'
    if (hasData) return []
    const how = cassandra.founds ? 'found' : 'join'
    const summary = how === 'found' ? 'found the Cassandra cluster' : 'join the Cassandra cluster'
    return [{ action: 'cassandra-member', summary, how, alone: true }]
  },
  async carryOut({ how }, { shell, signal }) {
    const text = [
      '# Written by cw deploy: how this node came into the Cassandra cluster.',
      `CASSANDRA_CONFIG=${FOLDER}/${how === 'found' ? 'founder' : 'cassandra'}.yaml`,
      '',
    ].join('\n')
    await mustScript(
      shell,
      'clearing what is left of another Cassandra',
      CLEAR,
      [CASSANDRA_UNIT, CASSANDRA_DATA],
      {
        sudo: true,
        signal,
      },
    )
    await shell.write(MEMBERSHIP, text, { mode: 0o644, owner: 'root:root', sudo: true, signal })
  },
})

/** One that was broken off before it had its place begins anew. */
const CLEAR = 'systemctl stop "$1" 2>/dev/null; find "$2" -mindepth 1 -delete'
