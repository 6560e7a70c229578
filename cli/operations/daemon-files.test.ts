import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readNodeFiles } from './daemon-files.ts'
import { placeOfFiles } from './daemon-place.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cw-files-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

const write = (file: string, text: string): void => {
  writeFileSync(join(folder, file), text)
}

async function place() {
  const files = await readNodeFiles(folder)
  return placeOfFiles(files, { folder, dataDir: '/data', portOffset: 0, names: () => undefined })
}

describe('the three files of a node', () => {
  test('are read in the manual’s order, and a later one wins', async () => {
    write('shared_config', 'home_domain=ims.test\nreg_max_expires=100\nlog_level=1\n')
    write('local_config', 'local_ip=192.0.2.1\nreg_max_expires=200\n')
    write('user_settings', 'log_level=5\n')

    const { values } = await readNodeFiles(folder)

    expect(Object.fromEntries(values)).toEqual({
      home_domain: 'ims.test',
      reg_max_expires: '200',
      log_level: '5',
      local_ip: '192.0.2.1',
    })
  })

  test('with a value that cannot be, leave the option at its default and say so', async () => {
    write('shared_config', 'home_domain=ims.test\nreg_max_expires=soon\n')
    write('local_config', 'local_ip=192.0.2.1\n')

    expect((await place()).settings.regMaxExpires).toBe(300)
    expect((await readNodeFiles(folder)).complaints.join('\n')).toMatch(
      /shared_config: line 2.*reg_max_expires/,
    )
  })

  test('need not be there, but what they have to say has to be said', async () => {
    await expect(place()).rejects.toMatchObject({ code: 'FILE_INVALID' })
  })
})

describe('bgcf.json', () => {
  const routes = [{ name: 'trunk', domain: '*', route: ['sip:ibcf.example.com'] }]

  test('gives the routes', async () => {
    write('bgcf.json', JSON.stringify({ routes }))

    expect((await readNodeFiles(folder)).bgcfRoutes).toEqual(routes)
  })

  test('that is broken leaves the routes as they were', async () => {
    write('bgcf.json', JSON.stringify({ routes }))
    const before = await readNodeFiles(folder)
    write('bgcf.json', '{"routes": [{"domain": 5}]')

    const after = await readNodeFiles(folder, before)

    expect(after.bgcfRoutes).toEqual(routes)
    expect(after.complaints).not.toEqual([])
  })
})

describe('rph.json', () => {
  const blocks = (...values: readonly string[]): string =>
    JSON.stringify({ priority_blocks: [{ priority: 3, rph_values: values }] })

  test('gives the priorities that count; one that is broken leaves them as they were', async () => {
    expect((await readNodeFiles(folder)).priorities).toEqual(new Set())
    write('rph.json', blocks('ETS.0', 'wps.1'))
    const before = await readNodeFiles(folder)
    write('rph.json', blocks('ets'))

    const after = await readNodeFiles(folder, before)

    expect(after.priorities).toEqual(new Set(['ets.0', 'wps.1']))
    expect(after.complaints.join()).toContain('rph.json: ')
  })
})

describe('a JSON file that cannot be read', () => {
  test('is a complaint, and what it said before goes on to count', async () => {
    const routes = [{ name: 'trunk', domain: '*', route: ['sip:ibcf.example.com'] }]
    write('bgcf.json', JSON.stringify({ routes }))
    const before = await readNodeFiles(folder)
    rmSync(join(folder, 'bgcf.json'))
    for (const file of ['bgcf.json', 'dns.json']) mkdirSync(join(folder, file))

    const after = await readNodeFiles(folder, before)

    expect(after.bgcfRoutes).toEqual(routes)
    expect(after.complaints.join('\n')).toMatch(/bgcf\.json: .*cannot be read.*\ndns\.json: .*cannot be read/)
    expect((await readNodeFiles(folder)).bgcfRoutes).toEqual([])
  })
})

describe('a node’s place', () => {
  test('follows from its files', async () => {
    write(
      'shared_config',
      'home_domain=IMS.test\nsprout_hostname=core.ims.test\nhs_hostname=hs.ims.test:8890\nscscf=5064\n' +
        'additional_home_domains=b.test,c.test\nupstream_port=0\netcd_cluster=192.0.2.1,192.0.2.2\n',
    )
    write('local_config', 'local_ip=192.0.2.1\npublic_ip=198.51.100.1\npublic_hostname=bono-1.ims.test\n')

    expect(await place()).toMatchObject({
      homeDomains: ['ims.test', 'b.test', 'c.test'],
      bind: '192.0.2.1',
      publicHost: 'bono-1.ims.test',
      scscfUri: 'sip:scscf.core.ims.test:5064;transport=TCP',
      upstream: { host: 'icscf.core.ims.test', port: undefined },
      homestead: 'http://hs.ims.test:8890',
      node: { site: 'site1', etcd: ['https://192.0.2.1:4000', 'https://192.0.2.2:4000'] },
    })
  })

  test('can be an IPv6 address', async () => {
    write('shared_config', 'home_domain=ims.test\nhs_hostname=[2001:db8::2]:8888\n')
    write('local_config', 'local_ip=2001:db8::1\n')

    expect(await place()).toMatchObject({
      address: '2001:db8::1',
      publicHost: '[2001:db8::1]',
      homestead: 'http://[2001:db8::2]:8888',
    })
  })
})
