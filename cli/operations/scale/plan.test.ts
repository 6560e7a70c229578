import { describe, expect, test } from 'vitest'
import type { Deployment } from '../../../lib/config/deployment/deployment.ts'
import { parseDeployment } from '../../../lib/config/deployment/parse.ts'
import { parseTargets, planScale } from './plan.ts'

function deploymentOf(nodes: readonly string[], sites = ''): Deployment {
  const entries = nodes.map((each, index) => {
    const [name = '', roles = '', site] = each.split(' ')
    const at = site === undefined ? '' : `, site: ${site}`
    return `  - {name: ${name}, address: 10.0.0.${index + 1}${at}, roles: [${roles.replaceAll('+', ', ')}]}`
  })
  const text = `name: lab\ndomain: ims.test\n${sites}nodes:\n${entries.join('\n')}\n`
  const parsed = parseDeployment(text, 'cw.yaml')
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults))
  return parsed.deployment
}

const CORE = ['core-1 bono+homestead+homer', 'core-2 ralf', 'core-3 ellis', 'core-4 ralf', 'core-5 bono']
const LAB = deploymentOf([...CORE, 'sprout-1 sprout', 'sprout-2 sprout', 'spare-1', 'spare-2'])

/** Nodes whose roles change: `name: before > after`. */
function planned(deployment: Deployment, ...words: readonly string[]): readonly string[] {
  return planScale(deployment, parseTargets(words)).changes.map(
    ({ node, before, after }) => `${node}: ${before.join('+') || '-'} > ${after.join('+') || '-'}`,
  )
}

describe('scaling', () => {
  test.each([
    [['sprout=2'], []],
    [['sprout=3'], ['spare-1: - > sprout']],
    [
      ['sprout=3', 'bono=3'],
      ['spare-1: - > sprout', 'spare-2: - > bono'],
    ],
    [['sprout=1'], ['sprout-2: sprout > -']],
    [['sprout=0'], ['sprout-1: sprout > -', 'sprout-2: sprout > -']],
    [['bono=1'], ['core-1: bono+homestead+homer > homestead+homer']],
    [
      ['sprout=1', 'bono=5'],
      ['sprout-2: sprout > bono', 'spare-1: - > bono', 'spare-2: - > bono'],
    ],
  ] as const)('%j', (words, changes) => {
    expect(planned(LAB, ...words)).toEqual(changes)
  })

  test('goes to the site that has fewest, and takes from the one that has most', () => {
    const two = deploymentOf(
      [
        ...CORE.map(each => `${each} a`),
        's-1 sprout a',
        's-2 sprout a',
        's-3 sprout b',
        'spare-a  a',
        'spare-b  b',
      ],
      'sites: [a, b]\n',
    )
    expect(planned(two, 'sprout=4')).toEqual(['spare-b: - > sprout'])
    expect(planned(two, 'sprout=2')).toEqual(['s-2: sprout > -'])
  })

  test.each([
    [['sprout=5'], 'there are not enough spare hosts for 5 sprout nodes'],
    [['sprout'], 'sprout does not say how many nodes of which role'],
    [['sprot=3'], 'sprot=3 does not say how many nodes of which role'],
    [['sprout=-1'], 'sprout=-1: "-1" is no number of nodes'],
    [['sprout=1.5'], 'sprout=1.5: "1.5" is no number of nodes'],
    [['sprout='], 'sprout=: "" is no number of nodes'],
    [['sprout=1', 'sprout=2'], 'sprout is given twice'],
    [[], 'it does not say what there is to be'],
    [['ralf=0'], 'no node with the role ralf can go: they keep etcd'],
  ])('%j is refused', (words, message) => {
    expect(() => planned(LAB, ...words)).toThrow(expect.objectContaining({ code: 'USAGE', message }) as Error)
  })

  test('the last of a role, or of a site, is told of', () => {
    expect(planScale(LAB, parseTargets(['sprout=0'])).guards).toEqual([
      { name: 'LAST_OF_ROLE', says: 'no sprout is left: what it does nobody does any more' },
    ])
    expect(planScale(LAB, parseTargets(['bono=1'])).guards).toEqual([])
  })

  test('asks where users are forgotten, or copies become fewer', () => {
    const guardsOf = (...words: readonly string[]) =>
      planScale(LAB, parseTargets(words)).guards.map(({ name }) => name)
    const four = deploymentOf([...CORE, ...[1, 2, 3].map(each => `home-${each} homestead`)])

    expect(guardsOf('sprout=1')).toEqual(['REGISTRATIONS_LOST'])
    expect(guardsOf('sprout=3')).toEqual([])
    expect(planScale(four, parseTargets(['homestead=3'])).guards).toEqual([])
    expect(planScale(four, parseTargets(['homestead=2'])).guards.map(({ name }) => name)).toEqual([
      'FEWER_COPIES',
    ])
  })
})
