import type { Client } from 'cassandra-driver'
import { errors, types } from 'cassandra-driver'
import { randomUUID } from 'node:crypto'
import { millis, pause, type Clock } from '../../kit/clock.ts'
import { CwError } from '../../kit/errors.ts'

/** A keyspace with the statements that bring it from each version to the next; what has been released is not changed. */
export interface KeyspaceSchema {
  readonly name: string
  /** The first one makes version 1. Each may be carried out again after it has been broken off. */
  readonly migrations: readonly (readonly string[])[]
}

export interface SchemaOptions {
  readonly schemas: readonly KeyspaceSchema[]
  /** The data centre that is asked. */
  readonly site: string
  readonly clock: Clock
}

/** In each data centre: what a single failure may take one away from and leave a quorum, where there are as many nodes. */
const MOST_COPIES = 3
/** Longer than all migrations take. Who dies in the middle of them keeps others waiting so long. */
const LOCK_SECONDS = 120
const LOCK_RETRY_MS = 500
const MOST_ATTEMPTS = 600
const DDL_DEADLINE_MS = 30_000

const { localOne, localQuorum, localSerial } = types.consistencies
const NOT_HEARD: number = types.responseErrorCodes.writeTimeout
const INVALID: number = types.responseErrorCodes.invalid
const PLAIN = { prepare: false, readTimeout: DDL_DEADLINE_MS, isIdempotent: true }
const QUORUM = { consistency: localQuorum, readTimeout: DDL_DEADLINE_MS }
const DECISION = { ...QUORUM, serialConsistency: localSerial }

/**
 * Makes the keyspaces that are not there, and brings those of older releases up to date. Of several that want to at
 * the same time one does: Cassandra may take two tables that are made at once for different ones.
 *
 * @throws CwError STORE_UNFIT if a newer release has been here, or one of the keyspaces has no copies at the site
 */
export async function ensureSchema(client: Client, options: SchemaOptions): Promise<void> {
  await examineCopies(client, options)
  // By one copy, so that who starts while others are down finds that there is nothing to do.
  if ((await outdated(client, options.schemas, localOne)).length === 0) return
  await makeBookkeeping(client)
  const holder = randomUUID()
  for (let attempt = 0; !(await take(client, holder)); attempt++) {
    if (attempt === MOST_ATTEMPTS) throw new Error('somebody else has been changing the schema for minutes')
    await pause(options.clock, millis(LOCK_RETRY_MS * (0.5 + Math.random())))
    if ((await outdated(client, options.schemas)).length === 0) return
  }
  try {
    for (const schema of await outdated(client, options.schemas)) await migrate(client, schema)
  } finally {
    const free = "DELETE FROM clearwater.locks WHERE name = 'schema' IF holder = ?"
    // Otherwise it is free after its time.
    await client.execute(free, [holder], DECISION).catch(() => undefined)
  }
}

/** Takes the lock. Who did not hear that it has it finds its name there the next time. */
async function take(client: Client, holder: string): Promise<boolean> {
  const read = "SELECT holder FROM clearwater.locks WHERE name = 'schema'"
  try {
    const [row] = (await client.execute(read, [], { ...QUORUM, prepare: false })).rows
    if (row !== undefined) return row['holder'] === holder
    const query =
      "INSERT INTO clearwater.locks (name, holder) VALUES ('schema', ?) " +
      `IF NOT EXISTS USING TTL ${LOCK_SECONDS}`
    return (await client.execute(query, [holder], DECISION)).wasApplied()
  } catch (error) {
    if (error instanceof errors.ResponseError && (error.code === NOT_HEARD || isUnknownYet(error)))
      return false
    throw error
  }
}

/** The node that was asked has not heard of a table yet that another one has just made. */
function isUnknownYet(error: errors.ResponseError): boolean {
  return error.code === INVALID && / does not exist$/.test(error.message)
}

async function migrate(client: Client, schema: KeyspaceSchema): Promise<void> {
  await makeKeyspace(client, schema.name)
  const from = (await versions(client)).get(schema.name) ?? 0
  for (const [index, statements] of schema.migrations.slice(from).entries()) {
    for (const statement of statements) await client.execute(statement, [], PLAIN)
    await client.execute(
      'INSERT INTO clearwater.schema_versions (keyspace_name, version) VALUES (?, ?)',
      [schema.name, from + index + 1],
      QUORUM,
    )
  }
}

/** Those with something left to do. */
async function outdated(
  client: Client,
  schemas: readonly KeyspaceSchema[],
  consistency = localQuorum,
): Promise<readonly KeyspaceSchema[]> {
  const there = await versions(client, consistency)
  const newer = schemas.find(({ name, migrations }) => (there.get(name) ?? 0) > migrations.length)
  if (newer !== undefined) throw tooNew(newer, there.get(newer.name) ?? 0)
  return schemas.filter(({ name, migrations }) => (there.get(name) ?? 0) < migrations.length)
}

async function versions(client: Client, consistency = localQuorum): Promise<ReadonlyMap<string, number>> {
  const { rows: tables } = await client.execute(
    "SELECT table_name FROM system_schema.tables WHERE keyspace_name = 'clearwater' AND table_name = 'schema_versions'",
    [],
    PLAIN,
  )
  if (tables.length === 0) return new Map()
  try {
    const { rows } = await client.execute(
      'SELECT keyspace_name, version FROM clearwater.schema_versions',
      [],
      { ...QUORUM, ...{ consistency, prepare: false } },
    )
    return new Map(rows.map(row => [String(row['keyspace_name']), Number(row['version'])]))
  } catch (error) {
    if (error instanceof errors.ResponseError && isUnknownYet(error)) return new Map()
    throw error
  }
}

/** With ids of their own for the tables, so that they are the same whoever makes them. */
async function makeBookkeeping(client: Client): Promise<void> {
  await makeKeyspace(client, 'clearwater')
  await client.execute(
    'CREATE TABLE IF NOT EXISTS clearwater.schema_versions (keyspace_name text PRIMARY KEY, version int) ' +
      "WITH ID = 0e5b1f70-1f6c-11f1-8a55-5b1d2f6c0001 AND comment = 'how far migrations have come'",
    [],
    PLAIN,
  )
  await client.execute(
    'CREATE TABLE IF NOT EXISTS clearwater.locks (name text PRIMARY KEY, holder text) ' +
      "WITH ID = 0e5b1f70-1f6c-11f1-8a55-5b1d2f6c0002 AND comment = 'who changes something'",
    [],
    PLAIN,
  )
}

/** With copies in every data centre that is there, for each site is to be served by its own. */
async function makeKeyspace(client: Client, name: string): Promise<void> {
  const sites = Map.groupBy(client.hosts.values(), ({ datacenter }) => datacenter)
  const copies = [...sites].map(
    ([site, nodes]) => `'${site.replaceAll("'", "''")}': ${Math.min(MOST_COPIES, nodes.length)}`,
  )
  await client.execute(
    `CREATE KEYSPACE IF NOT EXISTS ${name} ` +
      `WITH replication = {'class': 'NetworkTopologyStrategy', ${copies.join(', ')}}`,
    [],
    PLAIN,
  )
}

/** A site that came later is asked in vain as long as nobody has copied anything there. */
async function examineCopies(client: Client, { schemas, site }: SchemaOptions): Promise<void> {
  const { rows } = await client.execute(
    'SELECT keyspace_name, replication FROM system_schema.keyspaces',
    [],
    PLAIN,
  )
  const ours = new Set(['clearwater', ...schemas.map(({ name }) => name)])
  const lacking = rows.flatMap(row => {
    const replication = row['replication'] as Readonly<Record<string, string>>
    const isBySite = replication['class']?.endsWith('NetworkTopologyStrategy') === true
    const name = String(row['keyspace_name'])
    return ours.has(name) && isBySite && replication[site] === undefined ? [{ name, replication }] : []
  })
  const [first] = lacking
  if (first === undefined) return
  const there = Object.entries(first.replication).filter(([key]) => key !== 'class')
  const copies = Math.min(MOST_COPIES, client.hosts.values().filter(host => host.datacenter === site).length)
  const wanted = [...there, [site, copies] as const].map(([key, count]) => `'${key}': ${count}`).join(', ')
  throw new CwError('STORE_UNFIT', `Cassandra keeps no copies of ${first.name} in the data centre ${site}`, {
    why: `it has them in ${there.map(([key]) => key).join(' and ')} only`,
    changed: 'nothing',
    remedies: [
      ...lacking.map(
        ({ name }) =>
          `ALTER KEYSPACE ${name} WITH replication = {'class': 'NetworkTopologyStrategy', ${wanted}} (cqlsh)`,
      ),
      `then fill each node of ${site}: nodetool rebuild -- ${there[0]?.[0] ?? ''}`,
    ],
  })
}

function tooNew({ name, migrations }: KeyspaceSchema, version: number): CwError {
  return new CwError('STORE_UNFIT', `the keyspace ${name} in Cassandra is of a newer release`, {
    why: `its schema has version ${version}, and this release knows up to ${migrations.length}`,
    changed: 'nothing',
    remedies: ['run the release that was here before, or a newer one'],
  })
}
