import { seconds } from '../kit/clock.ts'
import type { Gateway } from './gateway.ts'
import { numberIn, objectIn, textIn, type JsonObject } from './json.ts'

/** One member as the cluster knows it. */
export interface Member {
  readonly id: string
  /** Empty: it was announced and has never been started. */
  readonly name: string
  readonly peerUrls: readonly string[]
  readonly clientUrls: readonly string[]
}

export interface MemberHealth {
  readonly origin: string
  /** It answers, sees a leader and can serve reads and writes. */
  readonly healthy: boolean
  /** Absent: it does not answer at all. */
  readonly status?: {
    readonly memberId: string
    readonly leaderId: string
    readonly version: string
    readonly databaseBytes: number
  }
}

export interface ClusterHealth {
  readonly writable: boolean
  readonly members: readonly MemberHealth[]
}

const PATIENCE = seconds(3)

export async function memberHealth(gateway: Gateway, origin: string): Promise<MemberHealth> {
  const [health, status] = await Promise.all([
    gateway.ask(origin, '/health', PATIENCE),
    gateway.ask(origin, '/v3/maintenance/status', PATIENCE, {}),
  ])
  const healthy = health?.health === 'true'
  if (status === undefined) return { origin, healthy }
  return {
    origin,
    healthy,
    status: {
      memberId: textIn(objectIn(status, 'header'), 'member_id'),
      leaderId: textIn(status, 'leader'),
      version: textIn(status, 'version'),
      databaseBytes: numberIn(status, 'dbSize'),
    },
  }
}

export function decodeMember(member: JsonObject): Member {
  return {
    id: textIn(member, 'ID'),
    name: textIn(member, 'name'),
    peerUrls: textsIn(member, 'peerURLs'),
    clientUrls: textsIn(member, 'clientURLs'),
  }
}

function textsIn(object: JsonObject, name: string): readonly string[] {
  const value = object[name]
  return Array.isArray(value) ? value.filter(each => typeof each === 'string') : []
}
