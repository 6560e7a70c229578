import { describe, expect, test } from 'vitest'
import { OPTIONS } from './options.ts'
import { changesBetween, effectsOf, validateSharedFile, type SharedChange } from './shared-file.ts'

const change = (impact: SharedChange['impact'], ...usedBy: SharedChange['usedBy']): SharedChange => ({
  name: 'x',
  before: undefined,
  after: '1',
  impact,
  usedBy,
  secret: false,
})

describe('a change of a shared file', () => {
  test('is what an option is then, whatever it looks like', () => {
    const before = '# old\nhome_domain="ims.test"\nreg_max_expires=300\n'
    expect(
      changesBetween('shared_config', before, "reg_max_expires='300' # new\nhome_domain=ims.test\n"),
    ).toEqual([])
    const changes = changesBetween('shared_config', before, 'home_domain=ims.test\nreg_max_expires=600\n')
    expect(changes).toMatchObject([{ name: 'reg_max_expires', before: '300', after: '600' }])
  })

  test('has the impact that its option declares', () => {
    for (const option of OPTIONS.values()) {
      const [found] = changesBetween('shared_config', '', `${option.name}=1\n`)
      expect(found).toMatchObject({ impact: option.impact, usedBy: option.usedBy })
    }
  })

  test('of a JSON file is for sprout, at a reload', () => {
    const after = '{"routes":[{"domain":"a.test","route":["sip:b.test"]}]}'
    expect(changesBetween('bgcf.json', undefined, '{ "routes": [] }')).toEqual([])
    expect(effectsOf(changesBetween('bgcf.json', undefined, after))).toEqual({
      reload: new Set(['sprout']),
      restart: new Set(),
    })
  })

  test('of what counts as a priority is for the edge too', () => {
    const after = '{"priority_blocks":[{"priority":1,"rph_values":["ets.0"]}]}'
    expect(effectsOf(changesBetween('rph.json', undefined, after)).reload).toEqual(
      new Set(['bono', 'sprout']),
    )
  })

  test('reloads nobody who restarts', () => {
    const effects = effectsOf([
      change('live', 'bono', 'sprout'),
      change('restart', 'sprout', 'homestead-prov'),
    ])
    expect(effects).toEqual({ reload: new Set(['bono']), restart: new Set(['sprout', 'homestead']) })
  })

  test('is checked by the rules of its file', () => {
    expect(validateSharedFile('bgcf.json', '{')).toMatchObject([{ severity: 'error' }])
    expect(validateSharedFile('shared_config', 'x y')).not.toEqual([])
  })
})
