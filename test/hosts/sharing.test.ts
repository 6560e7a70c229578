import { Resolver } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { Bind } from '../support/bind.ts'
import { callAndHangUp } from '../support/calls.ts'
import { Phone } from '../support/phone.ts'
import { statusOf } from '../support/sip-text.ts'
import { PASSWORD, subscriber } from '../support/subscribers.ts'
import { waitUntil } from '../support/wait.ts'
import { openUdp } from '../support/wire.ts'
import { deploymentOf, DOMAIN, etcdctl, makeRelease, Operator, told } from './deployment.ts'
import { Lab } from './lab/lab.ts'

const CORE = { 'core-1': ['bono', 'homestead', 'homer'] }
const TWO = { ...CORE, 'sprout-1': ['sprout'], 'sprout-2': ['sprout'] }
const HOSTS = [...Object.keys(TWO), 'sprout-3', 'spare-1']
const ONE = { ...CORE, 'sprout-1': ['sprout'] }

/** A host that has lost its power answers nothing, and who asks it first has to wait for that. */
const A_WHILE_MS = 150_000

describe('sprouts on hosts of their own', () => {
  let lab: Lab
  let operator: Operator
  let bind: Bind
  let users = 0

  /** Sprouts that DNS knows, by their names. */
  const inDns = async (): Promise<readonly string[]> => {
    const resolver = new Resolver()
    resolver.setServers([bind.server])
    const addresses = await resolver.resolve4(`sprout.${DOMAIN}`)
    return lab.hosts.flatMap(({ name, address }) => (addresses.includes(address) ? [name] : []))
  }

  const deploy = async (roles: Readonly<Record<string, readonly string[]>>): Promise<string> => {
    const dns = { server: '127.0.0.1', port: bind.port, key_file: bind.keyFile('cw'), ttl: 5 }
    operator.write(deploymentOf(lab, roles, { dns }))
    const run = await operator.deploy('--yes')
    expect(run.code, told(run)).toBe(0)
    return told(run)
  }

  /** A telephone outside the deployment, which has registered. */
  async function phone(): Promise<Phone> {
    const user = subscriber(`user${++users}`)
    const core = lab.host('core-1')
    await core.must(`cw user create ${user.user} ${DOMAIN} ${PASSWORD} --hsprov ${core.address}:8889`)
    const made = new Phone(user, await openUdp(5060, 0, lab.addresses[0], core.address))
    onTestFinished(() => made[Symbol.asyncDispose]())
    await waitUntil('it to be registered', async () => statusOf(await made.register()) === 200, A_WHILE_MS)
    return made
  }

  /** Whoever has registered before is found, by callers that come now. */
  const isCalled = async (callee: Phone): Promise<void> => {
    const caller = await phone()
    await waitUntil(
      'a call',
      async () => (await callAndHangUp(caller, callee, { exactly: true }), true),
      A_WHILE_MS,
    )
  }

  const stateOf = async (name: string): Promise<string> => {
    const host = lab.host(name)
    const page = await host.must(`curl -s http://${host.address}:9074/status`)
    return (JSON.parse(page) as { state: string }).state
  }
  /** What they say of themselves, where a change of a cluster has not come to its end. */
  const clusterManagers = async (): Promise<string> => {
    const said = lab.hosts.map(async host => {
      const page = await host.run(`curl -s --max-time 5 http://${host.address}:9073/status; journalctl -u clearwater-cluster-manager -n 20 -o cat`, { sudo: true }).catch(String) // prettier-ignore
      return `${host.name}: ${typeof page === 'string' ? page : page.stdout}`
    })
    return (await Promise.all(said)).join('\n')
  }
  const synchronised = (name: string): Promise<unknown> =>
    waitUntil(`${name} to be synchronised`, async () => (await stateOf(name)) === 'synchronised', 60_000)

  beforeAll(async () => {
    lab = await Lab.start({ hosts: HOSTS.map(name => ({ name })), layer: 'services' })
    operator = new Operator(lab, { release: await makeRelease(lab) })
    bind = await Bind.start(DOMAIN, '', ['cw'])
  })
  afterAll(async () => {
    await bind[Symbol.asyncDispose]()
    await lab.close()
  })

  test('two of them are deployed with a memcached each, and calls go through both', async () => {
    const said = await deploy(TWO)

    expect(said).toMatch(/^sprout-1 .*checks passed/m)
    expect(said).toMatch(/^sprout-2 .*checks passed/m)
    for (const name of ['sprout-1', 'sprout-2']) {
      const settings = await lab.host(name).must('cat /etc/clearwater/cluster_settings')
      const servers = ['sprout-1', 'sprout-2'].map(each => `${lab.host(each).address}:11211`)
      expect(settings).toContain(`servers=${servers.toSorted().join(',')}\n`)
      await synchronised(name)
    }
    expect(await inDns()).toEqual(['sprout-1', 'sprout-2'])
    const again = await operator.deploy('--yes')
    expect(again, told(again)).toMatchObject({ code: 0, stdout: 'nothing to do\n' })
    const status = await operator.cw('status')
    expect(status.stdout).toMatch(/^redundant +no: only 1 bono\n +only 1 homestead/m)
  })

  test('nobody but sprouts, and who may just have been one, reaches their memcached', async () => {
    const { address } = lab.host('sprout-1')
    const ask = `timeout 3 bash -c 'exec 3<>/dev/tcp/${address}/11211'`

    expect((await lab.host('sprout-2').run(ask)).code).toBe(0)
    expect((await lab.host('core-1').run(ask)).code).not.toBe(0)
    expect((await lab.host('sprout-3').run(ask)).code).toBe(0)
  })

  test(
    'each of them may lose its power, one after the other, and nobody is forgotten',
    { timeout: 900_000 },
    async () => {
      const callee = await phone()
      for (const name of ['sprout-1', 'sprout-2']) {
        await lab.host(name).kill()
        await isCalled(callee)
        await lab.host(name).boot()
        await waitUntil(`${name} to serve`, async () => (await stateOf(name)) === 'synchronised', 60_000)
      }
      await isCalled(callee)
    },
  )

  test(
    'a registration ends at its time, also when the host of its sprout is off',
    { timeout: 600_000 },
    async () => {
      const core = lab.host('core-1')
      const state = async ({ aor }: Phone): Promise<string | undefined> => {
        const page = await core.must(
          `curl -s http://${core.address}:8888/impu/${encodeURIComponent(aor)}/reg-data`,
        )
        return /<RegistrationState>([A-Z_]+)</.exec(page)?.[1]
      }
      for (const name of ['sprout-1', 'sprout-2']) {
        const brief = await phone()
        expect(statusOf(await brief.register({ expires: 8 }))).toBe(200)
        expect(await state(brief)).toBe('REGISTERED')
        await lab.host(name).kill()

        await waitUntil('homestead to be told', async () => (await state(brief)) !== 'REGISTERED', 60_000)
        await lab.host(name).boot()
        await waitUntil(`${name} to serve`, async () => (await stateOf(name)) === 'synchronised', 60_000)
      }
    },
  )

  test('a memcached that is killed comes back, and is filled', async () => {
    const callee = await phone()
    const host = lab.host('sprout-1')
    const before = Number(await host.must(`curl -s http://${host.address}:9074/metrics | awk '/^clearwater_astaire_resyncs_total/ {print $2}'`)) // prettier-ignore

    await host.must('systemctl kill -s KILL clearwater-memcached', { sudo: true })

    await waitUntil('another resynchronisation', async () => {
      const now = await host.must(`curl -s http://${host.address}:9074/metrics | awk '/^clearwater_astaire_resyncs_total/ {print $2}'`) // prettier-ignore
      return Number(now) > before
    })
    await isCalled(callee)
  })

  test('a third one joins by cw scale, and nobody is forgotten', { timeout: 600_000 }, async () => {
    const callee = await phone()

    const run = await operator.scale('sprout=3')

    expect(run.code, told(run)).toBe(0)
    expect(told(run)).toContain('sprout-3: a spare becomes sprout')
    expect(told(run)).not.toMatch(/restart clearwater-sprout/)
    expect(readFileSync(operator.file, 'utf8')).toMatch(/name: sprout-3\n +address: \S+\n +roles: \[sprout\]/)
    expect(await inDns()).toEqual(['sprout-1', 'sprout-2', 'sprout-3'])
    await synchronised('sprout-3')
    await isCalled(callee)
    await lab.host('sprout-1').kill()
    await isCalled(callee)
    const refused = await operator.scale('sprout=2')
    expect(refused.code, told(refused)).not.toBe(0)
    expect(told(refused)).toContain('is not scaled while a node is down')
    await lab.host('sprout-1').boot()
  })

  test('another host takes the place of one that is dead for good', { timeout: 900_000 }, async () => {
    const callee = await phone()
    for (const refused of [
      await operator.cw('node', 'forget', 'sprout-2', '--yes'),
      await operator.replace('sprout-2', '--with', 'spare-1'),
    ]) {
      expect(refused, told(refused)).toMatchObject({ code: 8 })
      expect(told(refused)).toContain('NODE_ALIVE')
    }
    await lab.host('sprout-2').kill()
    const rehearsed = await operator.cw('replace', 'sprout-2', '--with', 'spare-1', '--dry-run')
    expect(rehearsed.stdout.split('\n').slice(0, -1).toSorted()).toEqual([
      'spare-1 takes the place of sprout-2',
      'sprout-2 is taken out of etcd',
      'sprout-2 leaves sprout chronos at site1',
      'sprout-2 leaves sprout memcached at site1',
    ])

    const replaced = await operator.replace('sprout-2', '--with', 'spare-1', '--prove')

    expect(replaced.code, `${told(replaced)}\n${await clusterManagers()}`).toBe(0)
    expect(told(replaced)).toMatch(/^established +\d+ ended, 0 of them lost$/m)
    expect(readFileSync(operator.file, 'utf8')).not.toContain('sprout-2')
    expect(await inDns()).toEqual(['sprout-1', 'sprout-3', 'spare-1'])
    const shown = await operator.cw('cluster', 'show')
    expect(shown.stdout).toMatch(/^sprout memcached at site1: at rest$/m)
    expect(shown.stdout.match(/^ +(sprout-1|sprout-3|spare-1) +\S+ +normal$/gm)).toHaveLength(6)
    const members = await etcdctl(lab.host('core-1'), 'member list')
    expect(members.trim().split('\n')).toHaveLength(3)
    expect(members).not.toContain(lab.host('sprout-2').address)
    await isCalled(callee)
  })

  test('one leaves by cw scale, and nobody is forgotten', { timeout: 600_000 }, async () => {
    const callee = await phone()

    const run = await operator.scale('sprout=2')

    expect(run.code, told(run)).toBe(0)
    expect(told(run)).toMatch(/(sprout-3|spare-1): sprout becomes a spare/)
    // Nobody is drained before others can have forgotten it.
    expect(told(run)).toMatch(/^waiting 5 s.*\n(.*\n)*who serves no more/m)
    expect(await inDns()).toHaveLength(2)
    const shown = await operator.cw('cluster', 'show')
    expect(shown.stdout.match(/^ +(sprout-\d|spare-1) +\S+ +normal$/gm)).toHaveLength(4)
    await isCalled(callee)
    const again = await operator.deploy('--yes')
    expect(again, told(again)).toMatchObject({ code: 0, stdout: 'nothing to do\n' })
  })

  test('when one is left it is on its own again', { timeout: 600_000 }, async () => {
    // Of the one that was replaced nobody knows any more.
    const { nodes, ...file } = deploymentOf(lab, ONE)
    operator.write({ ...file, nodes: nodes.filter(({ name }) => name !== 'sprout-2') })
    const run = await operator.deploy('--yes')
    expect(run.code, told(run)).toBe(0)

    const host = lab.host('sprout-1')
    expect((await host.run('ls /etc/clearwater/cluster_settings')).code).not.toBe(0)
    const units = await host.must('systemctl list-units --plain --no-legend "clearwater-*" | cut -d" " -f1')
    expect(units).not.toMatch(/memcached|astaire/)
    await isCalled(await phone())
    const again = await operator.deploy('--yes')
    expect(again, told(again)).toMatchObject({ code: 0, stdout: 'nothing to do\n' })
  })
})
