import { Flags } from '@oclif/core'
import { CwCommand } from '../../command.ts'
import type { Outcome } from '../../render/report.ts'
import { deploymentFlag } from '../deployment-flag.ts'

export default class DnsZone extends CwCommand {
  static override summary = 'Print the DNS zone that the deployment needs, for BIND.'
  static override description = `Addresses of nodes and clusters, and the SRV and NAPTR records by which phones and nodes find SIP (RFC 3263).
Nothing is asked or changed; "cw check --only DNS" compares what DNS says with it.`
  static override examples = [
    '<%= config.bin %> dns zone --name-server 10.0.0.53 > /etc/bind/db.ims.example.com',
  ]
  static override flags = {
    ...deploymentFlag,
    'name-server': Flags.string({
      summary: 'Address of the name server; IPv4, IPv6 or both. Default: the first node.',
      helpValue: 'ADDRESS',
      multiple: true,
      multipleNonGreedy: true,
    }),
    serial: Flags.integer({
      summary: 'Serial number of the zone. Default: the time in seconds.',
      min: 1,
      max: 4_294_967_295,
    }),
  }

  protected override async perform(): Promise<Outcome> {
    const { flags } = await this.parse(DnsZone)
    const [{ loadDeployment }, { deploymentZone }] = await Promise.all([
      import('../../operations/deployment-file.ts'),
      import('../../operations/dns/zone.ts'),
    ])
    const zone = deploymentZone(await loadDeployment(flags.file), {
      serial: flags.serial,
      nameServers: flags['name-server'],
    })
    if (flags['name-server'] === undefined) {
      this.note(`the name server is taken to be ${zone.nameServers.join(', ')}; --name-server says otherwise`)
    }
    return { result: zone, text: zone.text }
  }
}
