import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseDeployment } from '../../lib/config/deployment/parse.ts'
import { deploymentZone } from '../../cli/operations/dns/zone.ts'

const FILE = `name: lab
domain: ims.test
nodes:
  - { name: bono-1, address: 10.0.0.1, public_address: 203.0.113.1, roles: [bono] }
  - { name: bono-2, address: "2001:db8::2", roles: [bono] }
  - { name: sprout-1, address: 10.0.0.3, roles: [sprout] }
  - { name: sprout-2, address: 10.0.0.4, roles: [sprout] }
  - { name: dime-1, address: 10.0.0.5, roles: [homestead, ralf, homer] }
  - { name: ellis-1, address: 10.0.0.6, roles: [ellis] }
`

describe('the zone that cw dns zone prints', () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'clearwater-zone-'))
  })
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })

  test('is one that BIND loads, with all records of the manual', () => {
    const parsed = parseDeployment(FILE, 'cw.yaml')
    if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults))
    const zone = deploymentZone(parsed.deployment, { serial: 7, nameServers: ['10.0.0.53', '2001:db8::53'] })
    const file = join(folder, 'db.ims.test')
    writeFileSync(file, `${zone.text}\n`)

    // -D prints the zone as it was understood.
    const checked = execFileSync('named-checkzone', ['-D', 'ims.test', file], { encoding: 'utf8' })
    const records = checked
      .split('\n')
      .filter(line => / IN /.test(line.replaceAll('\t', ' ')))
      .map(line => line.replaceAll(/\s+/g, ' ').replace(/ \d+ IN /, ' '))

    expect(records.filter(record => record.startsWith('ims.test. '))).toEqual([
      'ims.test. SOA ns.ims.test. admin.ims.test. 7 3600 3600 3600 300',
      'ims.test. NS ns.ims.test.',
      'ims.test. A 203.0.113.1',
      'ims.test. AAAA 2001:db8::2',
      'ims.test. NAPTR 1 1 "S" "SIP+D2T" "" _sip._tcp.ims.test.',
      'ims.test. NAPTR 2 1 "S" "SIP+D2U" "" _sip._udp.ims.test.',
    ])
    expect(records).toEqual(
      expect.arrayContaining([
        'icscf.sprout.ims.test. A 10.0.0.3',
        'scscf.sprout.ims.test. NAPTR 1 1 "S" "SIP+D2T" "" _sip._tcp.scscf.sprout.ims.test.',
        '_sip._tcp.icscf.sprout.ims.test. SRV 0 0 5052 sprout-2.ims.test.',
        '_sip._tcp.scscf.sprout.ims.test. SRV 0 0 5054 sprout-1.ims.test.',
        '_sip._udp.ims.test. SRV 0 0 5060 bono-1.ims.test.',
        'hs.ims.test. A 10.0.0.5',
        'homer.ims.test. A 10.0.0.5',
        'ralf.ims.test. A 10.0.0.5',
        'ellis.ims.test. A 10.0.0.6',
      ]),
    )
  })
})
