import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { callsIn, readCallList } from '../support/call-lists.ts'
import { callAndHangUp } from '../support/calls.ts'
import { filterCriterion } from '../support/filter-criteria.ts'
import { Phone } from '../support/phone.ts'
import { statusOf } from '../support/sip-text.ts'
import { PASSWORD, subscriber } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'
import { openUdp } from '../support/wire.ts'
import { deploymentOf, DOMAIN, makeRelease, Operator, told } from './deployment.ts'
import { CASSANDRA_SOURCE } from './lab/cassandra-package.ts'
import { Lab } from './lab/lab.ts'

const ONE = { 'core-1': ['bono', 'sprout', 'homer', 'memento'], 'homestead-1': ['homestead'] }
const TWO = { ...ONE, 'homestead-2': ['homestead'] }
const THREE = { ...TWO, 'homestead-3': ['homestead'] }

/** A host that has lost its power answers nothing, and who asks it first has to wait for that. */
const A_WHILE_MS = 150_000

/** From outside of the deployment. */
async function isReached(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port, timeout: 3000 })
  try {
    return await new Promise(resolve => {
      socket.once('connect', () => resolve(true))
      for (const event of ['timeout', 'error']) socket.once(event, () => resolve(false))
    })
  } finally {
    socket.destroy()
  }
}

describe('homesteads on hosts of their own', () => {
  let lab: Lab
  let operator: Operator
  let users = 0

  const deploy = async (roles: Readonly<Record<string, readonly string[]>>): Promise<string> => {
    operator.write(deploymentOf(lab, roles))
    const run = await operator.deploy('--yes')
    expect(run.code, told(run)).toBe(0)
    return told(run)
  }

  const create = async (user: string, at: string): Promise<void> => {
    const host = lab.host(at)
    await host.must(`cw user create ${user} ${DOMAIN} ${PASSWORD} --hsprov ${host.address}:8889`)
  }

  /** A telephone outside the deployment, which has registered. */
  async function phone(at: string): Promise<Phone> {
    const user = subscriber(`user${++users}`)
    await create(user.user, at)
    return registered(user.user)
  }

  async function registered(user: string): Promise<Phone> {
    const core = lab.host('core-1')
    const made = new Phone(subscriber(user), await openUdp(5060, 0, lab.addresses[0], core.address))
    onTestFinished(() => made[Symbol.asyncDispose]())
    await waitUntil('it to be registered', async () => statusOf(await made.register()) === 200, A_WHILE_MS)
    return made
  }

  /** Has the calls of a subscriber written down. */
  async function record(user: string, at: string): Promise<void> {
    const host = lab.host(at)
    const criteria = `<ServiceProfile>${filterCriterion(`sip:memento.${DOMAIN}`)}</ServiceProfile>`
    const profile = `http://${host.address}:8889/public/${encodeURIComponent(`sip:${user}@${DOMAIN}`)}/service_profile`
    const place = await host.must(`curl -s -o /dev/null -w '%{redirect_url}' '${profile}'`)
    await host.must(`curl -sf -X PUT --data '${criteria}' '${place.trim()}/filter_criteria'`)
  }

  /** Calls of a subscriber, as the call-list server gives them out. */
  async function callsOf(user: string): Promise<number> {
    const { address } = lab.host('core-1')
    const list = await readCallList(11888, subscriber(user), `sip:${user}@${DOMAIN}`, address)
    expect(list.status, list.body).toBe(200)
    return callsIn(list.body).length
  }

  const nodesUp = async (at: string): Promise<number> => {
    const status = await lab.host(at).must('nodetool status')
    return status.split('\n').filter(line => line.startsWith('UN ')).length
  }

  beforeAll(async () => {
    lab = await Lab.start({ hosts: Object.keys(THREE).map(name => ({ name })), layer: 'services' })
    operator = new Operator(lab, { release: await makeRelease(lab) })
  })
  afterAll(async () => {
    await lab.close()
  })

  test('one of them keeps its subscribers itself, and sprout the call lists that memento gives out', async () => {
    await deploy(ONE)
    const caller = await phone('homestead-1')
    const callee = await phone('homestead-1')
    await record('user1', 'homestead-1')
    await caller.register()
    await callAndHangUp(caller, callee)

    await waitUntil('the call to be in the list', async () => (await callsOf('user1')) === 1)

    expect((await lab.host('homestead-1').run('test -e /etc/clearwater/cassandra_cluster')).code).not.toBe(0)
  })

  test('where apt does not know Cassandra that is said, and the one that serves goes on', async () => {
    operator.write(deploymentOf(lab, TWO))
    const run = await operator.deploy('--yes')

    expect(run.code, told(run)).not.toBe(0)
    expect(told(run)).toContain('could not install cassandra')
    await registered('user1')
  })

  test(
    'a second one comes: a Cassandra on each, what the first one knew is there, and both serve',
    { timeout: 600_000 },
    async () => {
      for (const name of Object.keys(THREE).filter(each => each.startsWith('homestead'))) {
        await lab
          .host(name)
          .must(`echo '${CASSANDRA_SOURCE}' | sudo tee /etc/apt/sources.list.d/cassandra.list`)
      }
      await deploy(TWO)

      expect(await nodesUp('homestead-1')).toBe(2)
      for (const name of ['homestead-1', 'homestead-2']) {
        const { address } = lab.host(name)
        const listed = await lab.host(name).must(`cw user list --hsprov ${address}:8889`)
        expect(listed).toContain(`sip:user1@${DOMAIN}`)
      }
      await callAndHangUp(await registered('user1'), await phone('homestead-2'))
      await waitUntil('the call to be in the list', async () => (await callsOf('user1')) === 1)
      const again = await operator.deploy('--yes')
      expect(again, told(again)).toMatchObject({ code: 0, stdout: 'nothing to do\n' })
    },
  )

  test('nobody but those who keep something there reaches Cassandra', async () => {
    const { address } = lab.host('homestead-1')
    const ask = (port: number): string => `timeout 3 bash -c 'exec 3<>/dev/tcp/${address}/${port}'`

    expect((await lab.host('core-1').run(ask(9042))).code).toBe(0)
    expect((await lab.host('homestead-2').run(ask(7000))).code).toBe(0)
    expect((await lab.host('homestead-3').run(ask(9042))).code).not.toBe(0)
    expect(await Promise.all([7000, 9042].map(port => isReached(address, port)))).toEqual([false, false])
  })

  test(
    'each of them may lose its power, one after the other: subscribers register and call',
    { timeout: 900_000 },
    async () => {
      const callee = await phone('homestead-1')
      for (const name of ['homestead-1', 'homestead-2']) {
        await lab.host(name).kill()
        const caller = await registered('user1')
        await waitUntil(
          'a call',
          async () => (await callAndHangUp(caller, callee, { exactly: true }), true),
          A_WHILE_MS,
        )
        await lab.host(name).boot()
        const other = name === 'homestead-1' ? 'homestead-2' : 'homestead-1'
        await waitUntil(`${name} to be up again`, async () => (await nodesUp(other)) === 2, A_WHILE_MS)
      }
    },
  )

  test('a third one joins and is given its part', { timeout: 600_000 }, async () => {
    await deploy(THREE)

    expect(await nodesUp('homestead-3')).toBe(3)
    await callAndHangUp(await registered('user1'), await phone('homestead-3'))
  })

  test('one that is taken away gives its part to the others first', { timeout: 600_000 }, async () => {
    await deploy({ ...TWO, 'homestead-3': [] })

    const status = await lab.host('homestead-1').must('nodetool status')
    expect(status.match(/^[UD][NLJM] /gm)).toEqual(['UN ', 'UN '])
    await callAndHangUp(await registered('user1'), await registered('user2'))
  })

  test('the last but one cannot be taken away: the subscribers would be gone', async () => {
    operator.write(deploymentOf(lab, { ...ONE, 'homestead-2': [], 'homestead-3': [] }))
    const run = await operator.deploy('--yes')

    expect(run.code, told(run)).not.toBe(0)
    expect(told(run)).toContain('leave the role homestead on at least two nodes')
  })
})
