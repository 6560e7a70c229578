import { ApplicationServer } from '../test/support/application-server.ts'
import { DOMAIN } from '../test/support/core.ts'
import { filterCriterion } from '../test/support/filter-criteria.ts'
import { ruleset, simservs, storeServices } from '../test/support/services.ts'
import { isRequest } from '../test/support/sip-text.ts'
import { callCpuOf, callParties, registerCpuOf, registerUsers, type Scale } from './measures.ts'
import { coreWith, subjectOf } from './subjects.ts'

/** A second. The server outside is this process, which shares its core with the load. */
const CALLS_PER_SECOND = 100
/** Documents that are stored at the same time. */
const AT_ONCE = 20

/**
 * CPU milliseconds for one call whose caller and callee have the MMTel server, and the caller another one besides. That
 * one is a part of the load: what it costs is not counted.
 */
export async function callWithServicesCpu(scale: Scale): Promise<number> {
  await using outside = await ApplicationServer.start((request, server) => server.proxy(request))
  const parties = await callParties(Math.min(1000, scale.users))
  const users = [...parties.callers, ...parties.callees]
  const criteria = filterCriterion(`sip:mmtel.${DOMAIN}`) + filterCriterion(outside.uri, { sessionCase: 0 })
  const core = await coreWith(users, criteria)
  await using subject = subjectOf(core)
  for (let at = 0; at < users.length; at += AT_ONCE) {
    await Promise.all(
      users.slice(at, at + AT_ONCE).map(user => storeServices(core.port('homer'), user, SERVICES)),
    )
  }
  const cpu = await callCpuOf(subject, parties, scale, CALLS_PER_SECOND)
  mustHaveCome(outside, 2 * scale.calls)
  return cpu
}

/** CPU milliseconds for one REGISTER with digest challenge, after which a server outside is told. */
export async function registerAtServerCpu(scale: Scale): Promise<number> {
  await using outside = await ApplicationServer.start((request, server) => server.reply(request, 200))
  const parties = registerUsers(scale)
  const criteria = filterCriterion(outside.uri, { method: 'REGISTER' })
  await using subject = subjectOf(await coreWith(Object.values(parties).flat(), criteria))
  const { atRate } = await registerCpuOf(subject, parties, scale)
  mustHaveCome(outside, scale.registrations)
  return atRate
}

/** What the default document of a new line has, with a diversion that calls do not meet. */
const SERVICES = simservs(
  '<originating-identity-presentation active="true"/>' +
    '<originating-identity-presentation-restriction active="true"><default-behaviour>presentation-not-restricted</default-behaviour></originating-identity-presentation-restriction>' +
    `<communication-diversion active="true"><NoReplyTimer>30</NoReplyTimer>${ruleset(['<no-answer/>', `<forward-to><target>sip:nobody@${DOMAIN}</target></forward-to>`])}</communication-diversion>` +
    `<incoming-communication-barring active="true">${ruleset(['', '<allow>true</allow>'])}</incoming-communication-barring>` +
    `<outgoing-communication-barring active="true">${ruleset(['', '<allow>true</allow>'])}</outgoing-communication-barring>`,
)

/** A server that was passed over would make the load look cheap. */
function mustHaveCome(server: ApplicationServer, requests: number): void {
  const came = server.received.filter(isRequest).length
  if (came < requests) throw new Error(`the server outside got ${came} of ${requests} requests`)
}
