import type {
  Answer,
  AuthVector,
  AuthVectorQuery,
  Homestead,
  LocationQuery,
  RegistrationData,
  RegistrationDataRequest,
  RegistrationStatusQuery,
  ServerChoice,
} from '../../lib/ims/homestead.ts'
import type { Impu } from '../../lib/ims/identity.ts'
import type { EnumService } from '../../lib/ims/enum/enum.ts'
import type { CriteriaSets } from '../../lib/ims/ifc/sets.ts'
import type { PublicIdentity } from '../../lib/ims/subscription.ts'
import { sipRequest, TestExchange, TestSender } from '../../lib/ims/testing.ts'
import type { Clock } from '../../lib/kit/clock.ts'
import { noLog } from '../../lib/kit/log.ts'
import type { SipFunction } from '../../lib/sip/exchange.ts'
import { MemoryChallengeStore } from '../../lib/store/memory-challenges.ts'
import type { RegistrationRecord, RegistrationStore, Versioned } from '../../lib/store/registration-store.ts'
import { InProcessTimers } from '../../lib/timers/in-process.ts'
import { Core } from './core.ts'
import type { SproutOptions } from './options.ts'

export const OPTIONS: SproutOptions = {
  homeDomains: ['example.com'],
  bindAddress: '127.0.0.1',
  localHost: '127.0.0.1',
  sproutHostname: 'sprout.example.com',
  ports: { icscf: 5052, scscf: 5054, bgcf: 5053 },
  servers: [{ name: 'mmtel', port: 5055 }],
  regMaxExpires: 300,
  subMaxExpires: 300,
  nonceCountSupported: false,
  nonRegisterAuthentication: 'never',
  enforceUserPhone: false,
  enforceGlobalOnlyLookups: false,
  recordRouteLevel: 'pcscf',
  sessionContinuedTimeoutMs: 2000,
  sessionTerminatedTimeoutMs: 4000,
  forceThirdPartyRegBody: false,
  overrideNpdi: false,
  externalIcscfUri: undefined,
  emergencyUri: undefined,
  enum: { from: 'nowhere' },
  numberBlocks: [],
  criteriaSets: { shared: new Map(), fallback: [] },
  applyFallbackIfcs: false,
  rejectIfNoMatchingIfcs: false,
  scscfs: [],
  homeCountryCode: '1',
  bgcfRoutes: [],
}

export const SCSCF = 'sip:scscf.sprout.example.com:5054;transport=TCP'

/** A subscriber server that answers what it was taught, and fails the test for anything else. */
export class TaughtHomestead implements Homestead {
  /** What it was asked, e.g. `dereg-timeout sip:alice@example.com`. */
  readonly asked: string[] = []
  status: ((query: RegistrationStatusQuery) => Answer<ServerChoice>) | undefined
  locate: ((query: LocationQuery) => Answer<ServerChoice>) | undefined
  vector: Answer<AuthVector> | undefined
  data: ((impu: Impu, type: RegistrationDataRequest['type'] | 'read') => Answer<RegistrationData>) | undefined

  async registrationStatus(query: RegistrationStatusQuery): Promise<Answer<ServerChoice>> {
    this.asked.push(
      `${query.authType ?? ''}${query.emergency === true ? ' sos' : ''} ${query.impi} ${query.impu}`,
    )
    return taught(this.status)(query)
  }

  async location(query: LocationQuery): Promise<Answer<ServerChoice>> {
    this.asked.push(`location ${query.impu}${query.originating === true ? ' originating' : ''}`)
    return taught(this.locate)(query)
  }

  async authVector({ impi, impu }: AuthVectorQuery): Promise<Answer<AuthVector>> {
    this.asked.push(`vector ${impi} ${impu}`)
    return taught(this.vector)
  }

  async registrationData(impu: Impu, { type }: RegistrationDataRequest): Promise<Answer<RegistrationData>> {
    this.asked.push(`${type} ${impu}`)
    return taught(this.data)(impu, type)
  }

  async readRegistrationData(impu: Impu): Promise<Answer<RegistrationData>> {
    this.asked.push(`read ${impu}`)
    return taught(this.data)(impu, 'read')
  }
}

function taught<T>(answer: T | undefined): T {
  if (answer === undefined) throw new Error('the subscriber server was not taught this')
  return answer
}

/** What the subscriber server knows of a user; an identity with `!` before it is barred. */
export function registrationData(
  identities: readonly string[],
  more: Partial<RegistrationData> & { readonly filterCriteria?: readonly string[] } = {},
): Answer<RegistrationData> {
  return {
    ok: true,
    value: {
      state: 'REGISTERED',
      subscription: subscription(identities, more.filterCriteria),
      charging: { ccf: [], ecf: [] },
      ...more,
    },
  }
}

export function subscription(identities: readonly string[], filterCriteria: readonly string[] = []) {
  const profile = { identities: identities.map(publicIdentity), filterCriteria }
  return { privateId: 'alice@example.com', profiles: [profile] }
}

function publicIdentity(text: string): PublicIdentity {
  const barred = text.startsWith('!')
  return { impu: (barred ? text.slice(1) : text) as Impu, barred }
}

/** A filter criterion as text: it sends requests of the method in the session case to the server. */
export function filterCriterion(
  server: string,
  when: { method?: string; sessionCase?: number; priority?: number; more?: string } = {},
): string {
  const { method = 'INVITE', sessionCase, priority = 0, more = '' } = when
  const spt = (group: number, point: string): string => `<SPT><Group>${group}</Group>${point}</SPT>`
  const inCase = sessionCase === undefined ? '' : spt(1, `<SessionCase>${sessionCase}</SessionCase>`)
  return (
    `<InitialFilterCriteria><Priority>${priority}</Priority><TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF>` +
    `${spt(0, `<Method>${method}</Method>`)}${inCase}</TriggerPoint>` +
    `<ApplicationServer><ServerName>${server}</ServerName>${more}</ApplicationServer></InitialFilterCriteria>`
  )
}

/** Compare-and-set over a map. Each answer comes a turn later, so that two callers really meet. */
export class MemoryRegistrations implements RegistrationStore {
  readonly records = new Map<string, Versioned<RegistrationRecord>>()
  #version = 0

  async get(impu: string): Promise<Versioned<RegistrationRecord> | undefined> {
    return this.records.get(impu)
  }

  async put(
    impu: string,
    value: RegistrationRecord,
    expected: number | undefined,
  ): Promise<'stored' | 'conflict'> {
    if (this.records.get(impu)?.version !== expected) return 'conflict'
    this.records.set(impu, { value, version: ++this.#version })
    return 'stored'
  }

  async remove(impu: string, expected: number): Promise<'removed' | 'conflict'> {
    if (this.records.get(impu)?.version !== expected) return 'conflict'
    this.records.delete(impu)
    return 'removed'
  }

  /** The contact URIs of a record. */
  contacts(impu: string): string[] {
    return this.records.get(impu)?.value.bindings.map(({ uri }) => uri) ?? []
  }
}

export interface TestCore {
  readonly core: Core
  readonly sender: TestSender
  readonly homestead: TaughtHomestead
  readonly registrations: MemoryRegistrations
  readonly challenges: MemoryChallengeStore
  /** Gives a request to a function of the core and waits until it is done. */
  readonly run: (
    handle: (exchange: TestExchange, core: Core) => ReturnType<SipFunction>,
    method: string,
    uri: string,
    lines?: readonly string[],
  ) => Promise<TestExchange>
}

export function openCore(
  options: Partial<SproutOptions> = {},
  criteriaSets?: CriteriaSets,
  enumService?: EnumService,
): TestCore {
  const sender = new TestSender()
  const clock: Clock = sender.clock
  const homestead = new TaughtHomestead()
  const registrations = new MemoryRegistrations()
  const challenges = new MemoryChallengeStore({ clock })
  const timers = new InProcessTimers({ clock, log: noLog })
  const gruuSecret = 'secret'
  const around = {
    clock,
    log: noLog,
    node: sender,
    homestead,
    registrations,
    challenges,
    timers,
    gruuSecret,
  }
  const sets = criteriaSets === undefined ? {} : { criteriaSets, applyFallbackIfcs: true }
  const core = new Core(
    { ...OPTIONS, ...sets, ...options },
    { ...around, ...(enumService === undefined ? {} : { enum: enumService }) },
  )
  return {
    core,
    sender,
    homestead,
    registrations,
    challenges,
    run: async (handle, method, uri, lines) => {
      const exchange = new TestExchange(sipRequest(method, uri, lines))
      await handle(exchange, core)
      return exchange
    },
  }
}
