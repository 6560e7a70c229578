import { declare, type Option } from '../option.ts'

interface Sproutlet {
  readonly name: string
  readonly title: string
  /** 0: it does not run unless it is given a port. */
  readonly port: number
}

const SPROUTLETS: readonly Sproutlet[] = [
  { name: 'icscf', title: 'I-CSCF', port: 5052 },
  { name: 'bgcf', title: 'BGCF', port: 5053 },
  { name: 'scscf', title: 'S-CSCF', port: 5054 },
  { name: 'mmtel', title: 'MMTel application server', port: 5055 },
  { name: 'cdiv', title: 'call diversion server', port: 0 },
  { name: 'gemini', title: 'Gemini twinning server', port: 0 },
  { name: 'memento', title: 'Memento call-list server', port: 0 },
  { name: 'mangelwurzel', title: 'Mangelwurzel B2BUA', port: 0 },
]

/** Three options for each function of sprout. */
export const SPROUTLET_OPTIONS: readonly Option[] = SPROUTLETS.flatMap(({ name, title, port }) =>
  declare({ scope: 'shared', section: '8.21.3 Sproutlet options', impact: 'restart' }, [
    {
      name,
      type: 'port',
      min: 0,
      default: `${port}`,
      doc: `Port of the ${title}; 0 switches it off.`,
      usedBy: name === 'scscf' ? ['sprout', 'homestead'] : ['sprout'],
    },
    {
      name: `${name}_prefix`,
      type: 'word',
      default: name,
      doc: `Host prefix from which the URI of the ${title} is built.`,
      usedBy: name === 'scscf' ? ['sprout', 'homestead'] : ['sprout'],
    },
    {
      name: `${name}_uri`,
      type: 'sip-uri',
      derived: `sip:<${name}_prefix>.<sprout_hostname>;transport=tcp`,
      doc: `URI of the ${title}, by which it is routed to. Better left unset.`,
      usedBy: name === 'scscf' ? ['sprout', 'homestead'] : ['sprout'],
    },
  ]),
)
