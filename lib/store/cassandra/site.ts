import { Client, policies } from 'cassandra-driver'
import { CwError } from '../../kit/errors.ts'
import { reasonOf } from './reason.ts'

/**
 * The data centre of the first node that answers.
 *
 * @throws CwError SERVICE_UNREACHABLE if none does
 */
export async function siteOf(contactPoints: readonly string[]): Promise<string> {
  const client = new Client({
    contactPoints: [...contactPoints],
    protocolOptions: { maxVersion: 4 },
    socketOptions: { connectTimeout: 2000 },
    policies: { loadBalancing: new policies.loadBalancing.RoundRobinPolicy() },
  })
  try {
    const { rows } = await client.execute('SELECT data_center FROM system.local')
    return String(rows[0]?.['data_center'])
  } catch (cause) {
    throw new CwError('SERVICE_UNREACHABLE', `no Cassandra answers at ${contactPoints.join(', ')}`, {
      why: reasonOf(cause),
      changed: 'nothing',
      remedies: ['start one: systemctl start cassandra', 'keep data in a folder: cw up without --stores'],
    })
  } finally {
    await client.shutdown().catch(() => undefined)
  }
}
