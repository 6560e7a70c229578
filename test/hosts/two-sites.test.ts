import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { callAndHangUp } from '../support/calls.ts'
import { Phone } from '../support/phone.ts'
import { statusOf } from '../support/sip-text.ts'
import { PASSWORD, subscriber } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'
import { openUdp } from '../support/wire.ts'
import { deploymentOf, DOMAIN, makeRelease, Operator, told } from './deployment.ts'
import { CASSANDRA_SOURCE } from './lab/cassandra-package.ts'
import { Lab } from './lab/lab.ts'
import { SteadyLoad, type LineOptions } from './steady-load.ts'

const SITES = ['east', 'west'] as const
type Site = (typeof SITES)[number]
const ROLES = ['bono', 'sprout', 'homestead', 'homer']
const USERS = 40
const FIRST = 6505550100

/** A host that has lost its power answers nothing, and a JVM that starts anew takes its time. */
const A_WHILE_MS = 180_000

describe('a deployment at two sites', () => {
  let lab: Lab
  let operator: Operator
  let taken = 0

  const nodeOf = (site: Site): string => `${site}-1`
  const addressOf = (site: Site): string => lab.host(nodeOf(site)).address
  /** A subscriber that no other test has. */
  const someone = (): string => `${FIRST + taken++}`
  const lineAt = (site: Site): LineOptions => ({
    name: site,
    bono: addressOf(site),
    from: lab.addresses[SITES.indexOf(site)] ?? '',
    users: [someone(), someone(), someone(), someone()],
  })

  function phoneAt(site: Site, user: string): Promise<Phone> {
    return openUdp(5060, 0, lab.addresses[2], addressOf(site)).then(wire => {
      const phone = new Phone(subscriber(user), wire)
      onTestFinished(() => phone[Symbol.asyncDispose]())
      return phone
    })
  }

  async function registered(site: Site, user = someone(), expires = 300): Promise<Phone> {
    const phone = await phoneAt(site, user)
    await waitUntil(
      `${user} to be registered at the ${site}`,
      async () => statusOf(await phone.register({ expires })) === 200,
      A_WHILE_MS,
    )
    return phone
  }

  interface SiteState {
    readonly state: string
    readonly lastPass?: { readonly begunAt: string; readonly registrations: number; readonly sha256: string }
  }
  async function siteState(site: Site): Promise<SiteState> {
    const page = await lab.host(nodeOf(site)).must(`curl -s http://${addressOf(site)}:9074/status`)
    return (JSON.parse(page) as { otherSite: SiteState }).otherSite
  }
  const inStep = (): Promise<unknown> =>
    Promise.all(
      SITES.map(site =>
        waitUntil(
          `the ${site} to know what the other site knows`,
          async () => (await siteState(site)).state === 'in step',
          A_WHILE_MS,
        ),
      ),
    )

  /** What each site has of registrations, looked at anew. */
  async function digests(): Promise<readonly { readonly registrations: number; readonly sha256: string }[]> {
    const asked = Date.now()
    for (const site of SITES)
      await lab
        .host(nodeOf(site))
        .must('systemctl kill --kill-who=main -s USR1 clearwater-astaire', { sudo: true })
    return Promise.all(
      SITES.map(site =>
        waitUntil(
          'another pass',
          async () => {
            const { state, lastPass } = await siteState(site)
            if (lastPass === undefined || state !== 'in step' || Date.parse(lastPass.begunAt) < asked)
              return undefined
            return { registrations: lastPass.registrations, sha256: lastPass.sha256 }
          },
          A_WHILE_MS,
        ),
      ),
    )
  }

  /** The registration of a user as homestead knows it at a site. */
  async function stateOf(user: string, site: Site): Promise<string | undefined> {
    const impu = encodeURIComponent(`sip:${user}@${DOMAIN}`)
    const page = await lab
      .host(nodeOf(site))
      .must(`curl -s http://${addressOf(site)}:8888/impu/${impu}/reg-data`)
    return /<RegistrationState>([A-Z_]+)</.exec(page)?.[1]
  }

  beforeAll(async () => {
    lab = await Lab.start({ hosts: SITES.map(site => ({ name: nodeOf(site) })), layer: 'services' })
    operator = new Operator(lab, { release: await makeRelease(lab) })
    for (const { name } of lab.hosts)
      await lab
        .host(name)
        .must(`echo '${CASSANDRA_SOURCE}' | sudo tee /etc/apt/sources.list.d/cassandra.list`)
  })
  afterAll(async () => {
    await lab.close()
  })

  test('is deployed, and its telephones call each other across', { timeout: 600_000 }, async () => {
    const file = deploymentOf(lab, Object.fromEntries(SITES.map(site => [nodeOf(site), ROLES])))
    operator.write({
      ...file,
      sites: SITES,
      nodes: file.nodes.map(node => ({ ...node, site: node.name.replace('-1', '') })),
    })
    const run = await operator.deploy('--yes')
    expect(run.code, told(run)).toBe(0)
    const range = `${FIRST}..${FIRST + USERS - 1} ${DOMAIN} ${PASSWORD}`
    await lab.host('east-1').must(`cw user create ${range} --hsprov ${addressOf('east')}:8889`)

    const [east, west] = [await registered('east'), await registered('west')]
    await callAndHangUp(east, west)
    await callAndHangUp(west, east)

    const again = await operator.deploy('--yes')
    expect(again, told(again)).toMatchObject({ code: 0, stdout: 'nothing to do\n' })
    await inStep()
    const [one, other] = await digests()
    expect(one).toEqual(other)
    expect(one?.registrations).toBeGreaterThanOrEqual(2)
  })

  test(
    'serves on at one site when the other loses its power: its users come over, and registrations there end in time',
    { timeout: 900_000 },
    async () => {
      const load = await SteadyLoad.start([lineAt('east')])
      const brief = await registered('west', someone(), 25)
      const moving = await registered('west')
      expect(await stateOf(brief.identity.user, 'east')).toBe('REGISTERED')

      await lab.host('west-1').kill()

      const moved = await registered('east', moving.identity.user)
      const friend = await registered('east')
      await callAndHangUp(friend, moved)
      await waitUntil(
        'the registration that nobody renews to end',
        async () => (await stateOf(brief.identity.user, 'east')) === 'UNREGISTERED',
        60_000,
      )
      await lab.host('west-1').boot()
      await inStep()
      const summary = await load.stop()

      expect(summary.failures).toEqual([])
      expect(Math.min(summary.calls, summary.registrations, summary.requests)).toBeGreaterThan(20)
      // What was done meanwhile is known there.
      await callAndHangUp(await registered('west'), moved)
    },
  )

  test(
    'goes on at both when the line between them is cut, and nothing is lost or comes back after it',
    { timeout: 900_000 },
    async () => {
      const load = await SteadyLoad.start(SITES.map(lineAt))
      const [staying, leaving] = [await registered('east'), await registered('west')]
      const [east, west] = [lab.host('east-1'), lab.host('west-1')]

      await lab.cut(east, west)
      await waitUntil('each to see it', async () => {
        const states = await Promise.all(SITES.map(siteState))
        return states.every(({ state }) => state === 'unreachable')
      })
      const [hereOnly, thereOnly] = [await registered('east'), await registered('west')]
      expect(statusOf(await leaving.register({ expires: 0 }))).toBe(200)
      await callAndHangUp(hereOnly, staying)
      await new Promise(resolve => setTimeout(resolve, 10_000))
      await lab.heal()
      await inStep()
      const summary = await load.stop()

      expect(summary.failures).toEqual([])
      expect(Math.min(summary.calls, summary.registrations, summary.requests)).toBeGreaterThan(40)
      await waitUntil(
        'both sites to have the same',
        async () => {
          const [one, other] = await digests()
          return one !== undefined && one.sha256 === other?.sha256
        },
        A_WHILE_MS,
      )
      // Connections from before the cut may have to be made anew.
      for (const [caller, callee] of [
        [hereOnly, thereOnly],
        [thereOnly, staying],
      ] as const)
        await waitUntil(
          'a call across',
          async () => (await callAndHangUp(caller, callee, { exactly: true }), true),
          A_WHILE_MS,
        )
      const gone = staying.invite(leaving.aor)
      expect(statusOf(await staying.response(gone))).toBe(480)
    },
  )

  test('goes on without a site that is lost, until it is back', { timeout: 600_000 }, async () => {
    const settings = '/etc/clearwater/remote_cluster_settings'
    const east = lab.host('east-1')
    const alive = await operator.cw('site', 'fail-over', 'west', '--yes')
    expect(alive, told(alive)).toMatchObject({ code: 8 })
    expect(told(alive)).toContain('west-1 is at work')
    expect(await east.must(`cat ${settings}`)).toContain(addressOf('west'))
    await lab.host('west-1').kill()

    const run = await operator.cw('site', 'fail-over', 'west', '--yes')

    expect(run, told(run)).toMatchObject({ code: 0, stdout: 'the deployment goes on without west\n' })
    expect((await operator.cw('cluster', 'show')).stdout).not.toContain('west')
    await waitUntil('nobody to ask there', async () => (await east.run(`ls ${settings}`)).code !== 0)
    await callAndHangUp(await registered('east'), await registered('east'))
    await lab.host('west-1').boot()
    await waitUntil('it to have joined again', async () => (await operator.cw('cluster', 'show')).stdout.match(/west-1 .*normal$/gm)?.length === 2, A_WHILE_MS) // prettier-ignore
    await inStep()
  })

  test('does not notice that the other site stands still for two seconds', { timeout: 300_000 }, async () => {
    const load = await SteadyLoad.start([lineAt('east')])
    for (let round = 0; round < 3; round++) {
      await lab.host('west-1').pause()
      await new Promise(resolve => setTimeout(resolve, 2000))
      await lab.host('west-1').resume()
      await new Promise(resolve => setTimeout(resolve, 3000))
    }

    const summary = await load.stop()

    expect(summary.failures).toEqual([])
    expect(summary.calls).toBeGreaterThan(10)
  })
})
