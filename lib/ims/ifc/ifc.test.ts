import { describe, expect, test } from 'vitest'
import type { Log } from '../../kit/log.ts'
import { noLog } from '../../kit/log.ts'
import { parseImsSubscription, formatImsSubscription } from '../subscription-xml.ts'
import { sipRequest } from '../testing.ts'
import { Criteria } from './criteria.ts'
import type { FilterCriterion } from './criterion.ts'
import { matches, type Situation } from './match.ts'
import { parseCriterion } from './parse.ts'
import { Effort } from './pattern.ts'
import { parseFallbackSet, parseSharedSets } from './sets.ts'

const SERVER = '<ApplicationServer><ServerName>sip:as.example.com</ServerName></ApplicationServer>'

const spt = (point: string, group = 0, more = ''): string =>
  `<SPT>${more}<Group>${group}</Group>${point}</SPT>`
const not = '<ConditionNegated>1</ConditionNegated>'

function criterion(trigger: string, before = ''): FilterCriterion {
  const text = `<InitialFilterCriteria>${before}${trigger}${SERVER}</InitialFilterCriteria>`
  const result = parseCriterion(text)
  if (!result.ok) throw new Error(result.message)
  return result.criterion
}

const cnf = (...spts: string[]): FilterCriterion => triggered(1, spts)
const dnf = (...spts: string[]): FilterCriterion => triggered(0, spts)

function triggered(form: 0 | 1, spts: readonly string[]): FilterCriterion {
  const condition = `<ConditionTypeCNF>${form}</ConditionTypeCNF>`
  return criterion(`<TriggerPoint>${condition}${spts.join('')}</TriggerPoint>`)
}

const INVITE = sipRequest(
  'INVITE',
  'sip:bob@example.com:5070',
  ['Content-Type: application/sdp', 'X-Fancy: Blue moon', 's: hello'],
  'v=0\r\nm=audio 1 RTP/AVP 8\r\na=sendonly\r\n',
)

const ORIGINATING = { request: INVITE, sessionCase: 'originating', registered: true } as const

const holds = (one: FilterCriterion, more: Partial<Situation> = {}): boolean =>
  matches(one, { ...ORIGINATING, effort: new Effort(), ...more })

describe('service point triggers', () => {
  test.each([
    ['a method', '<Method>INVITE</Method>', true],
    ['a method in another case', '<Method>invite</Method>', false],
    ['another method', '<Method>MESSAGE</Method>', false],
    ['a header that is there', '<SIPHeader><Header>x-fancy</Header></SIPHeader>', true],
    ['a part of a header name', '<SIPHeader><Header>Fan</Header></SIPHeader>', true],
    ['a header by its full name, written short', '<SIPHeader><Header>^Subject$</Header></SIPHeader>', true],
    ['a header that is absent', '<SIPHeader><Header>Y-Fancy</Header></SIPHeader>', false],
    ['content', '<SIPHeader><Header>X-Fancy</Header><Content>Blue.*n$</Content></SIPHeader>', true],
    [
      'content in another case',
      '<SIPHeader><Header>X-Fancy</Header><Content>blue</Content></SIPHeader>',
      false,
    ],
    [
      'content of another header',
      '<SIPHeader><Header>X-Fancy</Header><Content>hello</Content></SIPHeader>',
      false,
    ],
    ['a session case', '<SessionCase>0</SessionCase>', true],
    ['another session case', '<SessionCase>1</SessionCase>', false],
    ['a session case there is none of', '<SessionCase>7</SessionCase>', false],
    ['the host and port', '<RequestURI>^example\\.com:5070$</RequestURI>', true],
    ['the user, which is not looked at', '<RequestURI>bob</RequestURI>', false],
    ['a kind of SDP line', '<SessionDescription><Line>m</Line></SessionDescription>', true],
    [
      'an SDP line',
      '<SessionDescription><Line>a</Line><Content>^sendonly</Content></SessionDescription>',
      true,
    ],
    [
      'an SDP line of another kind',
      '<SessionDescription><Line>m</Line><Content>sendonly</Content></SessionDescription>',
      false,
    ],
    ['a trigger nobody knows', '<MoonPhase>full</MoonPhase>', false],
  ])('%s', (_what, point, expected) => {
    expect(holds(cnf(spt(point)))).toBe(expected)
    expect(holds(cnf(spt(point, 0, not)))).toBe(!expected)
  })

  test.each([
    ['tel:+1-555-1234', '^\\+1-555'],
    ['urn:service:sos', '^service:sos$'],
  ])('the Request-URI %s is seen without its scheme', (uri, pattern) => {
    expect(
      holds(cnf(spt(`<RequestURI>${pattern}</RequestURI>`)), { request: sipRequest('INVITE', uri) }),
    ).toBe(true)
  })

  test('SDP inside another body is not looked at', () => {
    const request = sipRequest('INVITE', 'sip:b@x', ['Content-Type: multipart/mixed;boundary=a'], 'm=audio')
    expect(holds(cnf(spt('<SessionDescription><Line>m</Line></SessionDescription>')), { request })).toBe(
      false,
    )
  })

  test('registration types are alternatives; none means all', () => {
    const types =
      '<Extension><RegistrationType>0</RegistrationType><RegistrationType>2</RegistrationType></Extension>'
    const some = cnf(spt(`<Method>REGISTER</Method>${types}`))
    const any = cnf(spt('<Method>REGISTER</Method><Extension/>'))
    const request = sipRequest('REGISTER', 'sip:example.com')
    const seen = (['initial', 're-registration', 'de-registration'] as const).map(registrationType => [
      holds(some, { request, registrationType }),
      holds(any, { request, registrationType }),
    ])
    expect(seen).toEqual([
      [true, true],
      [false, true],
      [true, true],
    ])
  })
})

describe('trigger points', () => {
  const T = '<Method>INVITE</Method>'
  const F = '<Method>BYE</Method>'

  test.each([
    ['CNF: AND of groups', cnf(spt(T, 0), spt(F, 1)), false],
    ['CNF: OR inside a group', cnf(spt(T, 0), spt(F, 0)), true],
    ['DNF: OR of groups', dnf(spt(T, 0), spt(F, 1)), true],
    ['DNF: AND inside a group', dnf(spt(T, 0), spt(F, 0)), false],
    ['CNF of nothing', cnf(), true],
    ['DNF of nothing', dnf(), false],
    ['a condition without a group says nothing', cnf(`<SPT>${F}</SPT>`), true],
    ['a condition in two groups', cnf(spt(T, 0), `<SPT><Group>0</Group><Group>1</Group>${F}</SPT>`), false],
    ['no trigger point', criterion(''), true],
  ])('%s', (_what, one, expected) => {
    expect(holds(one)).toBe(expected)
  })

  test('a criterion for one state of the user', () => {
    const registered = criterion('', '<ProfilePartIndicator>0</ProfilePartIndicator>')
    const unregistered = criterion('', '<ProfilePartIndicator>1</ProfilePartIndicator>')
    expect([holds(registered), holds(unregistered)]).toEqual([true, false])
    expect(holds(unregistered, { registered: false })).toBe(true)
  })
})

describe('a criterion that cannot be read', () => {
  const trigger = (point: string): string =>
    `<TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF>${spt(point)}</TriggerPoint>${SERVER}`

  test.each([
    ['no server', ''],
    ['an empty server name', '<ApplicationServer><ServerName/></ApplicationServer>'],
    ['a priority that is no number', `<Priority>soon</Priority>${SERVER}`],
    ['a part that is neither', `<ProfilePartIndicator>2</ProfilePartIndicator>${SERVER}`],
    ['no form', `<TriggerPoint/>${SERVER}`],
    [
      'a group that is no number',
      `<TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF><SPT><Group>-1</Group></SPT></TriggerPoint>${SERVER}`,
    ],
    ['an expression that is none', trigger('<RequestURI>(</RequestURI>')],
    ['an expression that needs backtracking', trigger('<RequestURI>(a)\\1</RequestURI>')],
    ['an expression too large', trigger('<RequestURI>((a{100}){100}){100}</RequestURI>')],
    ['an expression too long', trigger(`<RequestURI>${'a'.repeat(1001)}</RequestURI>`)],
    ['a header without a name', trigger('<SIPHeader><Content>a</Content></SIPHeader>')],
    [
      'too many conditions',
      `<TriggerPoint><ConditionTypeCNF>1</ConditionTypeCNF>${spt('<Method>A</Method>').repeat(201)}</TriggerPoint>${SERVER}`,
    ],
  ])('%s', (_what, content) => {
    expect(parseCriterion(`<InitialFilterCriteria>${content}</InitialFilterCriteria>`)).toMatchObject({
      ok: false,
    })
  })

  test('an expression that explodes elsewhere is searched in time', () => {
    const request = sipRequest('INVITE', 'sip:b@x', [`X-Long: ${'a'.repeat(30_000)}!`])
    const one = cnf(spt('<SIPHeader><Header>X-Long</Header><Content>^(a+)+$</Content></SIPHeader>'))
    expect(holds(one, { request })).toBe(true)
    expect(
      holds(cnf(spt('<SIPHeader><Header>X-Long</Header><Content>^(a|aa)+b$</Content></SIPHeader>')), {
        request,
      }),
    ).toBe(false)
  })
})

test('many large expressions on one request are given up together', () => {
  const large = spt('<SIPHeader><Header>X</Header><Content>a{900}</Content></SIPHeader>', 0, not)
  const one = cnf(...Array.from({ length: 200 }, (_, group) => large.replace('>0<', `>${group}<`)))
  const request = sipRequest('INVITE', 'sip:b@x', [`X-Long: ${'b'.repeat(8000)}`])
  const effort = new Effort()
  expect(holds(one, { request, effort })).toBe(true)
  expect(effort.left).toBeLessThan(0)
})

test('what the server is told and how it is treated', () => {
  const result = parseCriterion(
    `<InitialFilterCriteria><Priority>3</Priority><ApplicationServer><ServerName>sip:a</ServerName>` +
      `<DefaultHandling>1</DefaultHandling><ServiceInfo>&lt;x&gt;</ServiceInfo>` +
      `<Extension><IncludeRegisterRequest/></Extension></ApplicationServer></InitialFilterCriteria>`,
  )
  expect(result).toMatchObject({
    criterion: {
      priority: 3,
      trigger: undefined,
      server: {
        name: 'sip:a',
        defaultHandling: 'terminate',
        serviceInfo: '<x>',
        includeRequest: true,
        includeResponse: false,
      },
    },
  })
})

describe('the criteria of a profile', () => {
  const ifc = (server: string, priority?: number): string =>
    `<InitialFilterCriteria>${priority === undefined ? '' : `<Priority>${priority}</Priority>`}` +
    `<ApplicationServer><ServerName>${server}</ServerName></ApplicationServer></InitialFilterCriteria>`
  const names = (criteria: readonly FilterCriterion[]): string[] => criteria.map(({ server }) => server.name)

  test('by priority, then as they stand; what cannot be read is left out with a word', () => {
    const warnings: string[] = []
    const log: Log = { ...noLog, warn: message => warnings.push(message) }
    const texts = [ifc('c', 2), ifc('d', 2), '<InitialFilterCriteria/>', ifc('a'), ifc('b', 1)]
    const profile = { identities: [], filterCriteria: texts }
    const criteria = new Criteria({ log })
    expect(names(criteria.of(profile))).toEqual(['a', 'b', 'c', 'd'])
    expect(criteria.of(profile)).toBe(criteria.of({ ...profile }))
    expect(warnings).toEqual(['a filter criterion is left out'])
  })

  test('shared sets are merged by priority; one that is not there is not missed', () => {
    const shared = parseSharedSets(
      `<SharedIFCsSets><SharedIFCsSet><SetID>7</SetID>${ifc('s1', 1)}<InitialFilterCriteria/></SharedIFCsSet>` +
        `<SharedIFCsSet><SetID>x</SetID></SharedIFCsSet><SharedIFCsSet><SetID>7</SetID></SharedIFCsSet></SharedIFCsSets>`,
    )
    if (!shared.ok) throw new Error(shared.message)
    expect(shared.faults).toHaveLength(3)
    const criteria = new Criteria({ log: noLog, sets: () => ({ shared: shared.value, fallback: [] }) })
    const profile = { identities: [], filterCriteria: [ifc('p0'), ifc('p2', 2)], sharedSets: [9, 7] }
    expect(names(criteria.of(profile))).toEqual(['p0', 's1', 'p2'])
  })

  test('the fallback set', () => {
    const fallback = parseFallbackSet(`<FallbackIFCsSet>${ifc('late', 5)}${ifc('early')}</FallbackIFCsSet>`)
    expect(fallback.ok && names(fallback.value)).toEqual(['early', 'late'])
    expect(parseFallbackSet('<Other/>')).toMatchObject({ ok: false })
    expect(parseFallbackSet('<!DOCTYPE a><FallbackIFCsSet/>')).toMatchObject({ ok: false })
  })

  test('a subscription names its shared sets, plain as it may be', () => {
    const xml =
      '<IMSSubscription><PrivateID>a@x</PrivateID><ServiceProfile><PublicIdentity><Identity>sip:a@x</Identity>' +
      `</PublicIdentity>${ifc('p')}<Extension><SharedIFCSetID>7</SharedIFCSetID><SharedIFCSetID>no</SharedIFCSetID>` +
      '</Extension></ServiceProfile></IMSSubscription>'
    const read = parseImsSubscription(xml)
    if (!read.ok) throw new Error(read.message)
    expect(read.subscription.profiles[0]).toMatchObject({ filterCriteria: [ifc('p')], sharedSets: [7] })
    const made = { privateId: 'a@x', profiles: read.subscription.profiles }
    expect(parseImsSubscription(formatImsSubscription(made))).toMatchObject({ subscription: made })
  })
})
