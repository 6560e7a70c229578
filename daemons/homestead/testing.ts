import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodePathPart } from '../../lib/http/message.ts'
import { TestClock } from '../../lib/kit/clock.ts'
import { noLog } from '../../lib/kit/log.ts'
import { EmbeddedAkaStore } from '../../lib/store/embedded/aka.ts'
import { openEmbedded } from '../../lib/store/embedded/environment.ts'
import { EmbeddedProvisioningStore } from '../../lib/store/embedded/provisioning.ts'
import { EmbeddedSubscriberCacheStore } from '../../lib/store/embedded/subscriber-cache.ts'
import { startHomestead, type HomesteadOptions, type RunningHomestead } from './homestead.ts'

export const SCSCF = 'sip:scscf.example.com:5054;transport=TCP'

export interface Reply {
  readonly status: number
  readonly body: string
  readonly location: string | undefined
}

type Ask = (method: string, path: string, body?: string, headers?: Record<string, string>) => Promise<Reply>

/** A homestead with its own store on free ports, for tests that ask it over HTTP. */
export interface TestHomestead extends RunningHomestead {
  readonly clock: TestClock
  readonly cache: EmbeddedSubscriberCacheStore
  /** Asks port 8888's interface. */
  readonly ask: Ask
  /** Asks homestead-prov. */
  readonly provision: Ask
  stop(): Promise<void>
}

export async function openTestHomestead(options: Partial<HomesteadOptions> = {}): Promise<TestHomestead> {
  const dir = mkdtempSync(join(tmpdir(), 'cw-homestead-'))
  const environment = await openEmbedded({ dir })
  const clock = new TestClock()
  const cache = new EmbeddedSubscriberCacheStore(environment)
  const running = await startHomestead({
    clock,
    log: noLog,
    stores: {
      cache,
      provisioning: new EmbeddedProvisioningStore(environment),
      aka: new EmbeddedAkaStore(environment),
    },
    bind: '127.0.0.1',
    port: 0,
    provisioningPort: 0,
    homeDomain: 'example.com',
    scscfUri: SCSCF,
    ...options,
  })
  return {
    ...running,
    clock,
    cache,
    ask: (...request) => exchange(running.port, ...request),
    provision: (...request) => exchange(running.provisioningPort, ...request),
    stop: async () => {
      await running.close()
      await environment.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

export async function exchange(
  port: number,
  method: string,
  path: string,
  body?: string,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers,
    redirect: 'manual',
    ...(body === undefined ? {} : { body }),
  })
  return {
    status: response.status,
    body: await response.text(),
    location: response.headers.get('location') ?? undefined,
  }
}

/** Provisions a user by the manual's six requests; gives the paths of its set and profile. */
export async function provisionUser(
  { provision }: TestHomestead,
  impi: string,
  impu: string,
  filterCriteria = '<ServiceProfile/>',
): Promise<{ irs: string; profile: string }> {
  const statuses: number[] = []
  const step = async (...request: Parameters<Ask>): Promise<Reply> => {
    const reply = await provision(...request)
    statuses.push(reply.status)
    return reply
  }
  const user = `/private/${encodePathPart(impi)}`
  await step('PUT', user, '{"plaintext_password":"s3cret"}')
  const irs = (await step('POST', '/irs')).location ?? ''
  await step('PUT', `${user}/associated_implicit_registration_sets/${irs.slice('/irs/'.length)}`)
  const profile = (await step('POST', `${irs}/service_profiles`)).location ?? ''
  const identity = `<PublicIdentity><Identity>${impu}</Identity></PublicIdentity>`
  await step('PUT', `${profile}/public_ids/${encodePathPart(impu)}`, identity)
  await step('PUT', `${profile}/filter_criteria`, filterCriteria)
  if (statuses.join() !== '200,201,200,201,200,200')
    throw new Error(`provisioning answered ${statuses.join()}`)
  return { irs, profile }
}
