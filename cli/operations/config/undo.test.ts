import { describe, expect, test } from 'vitest'
import { changesBetween, type SharedFileName } from '../../../lib/config/shared-file.ts'
import type { ConfigurationPlan, FileChange } from './plan.ts'
import { undoOf } from './undo.ts'

const change = (
  before: string,
  after: string,
  file: SharedFileName = 'shared_config',
  site = 'a',
): FileChange => ({
  site,
  file,
  before,
  revision: 1,
  after,
  changes: changesBetween(file, before, after),
})
const plan = (...files: readonly FileChange[]): ConfigurationPlan => ({ files, nodes: [], warnings: [] })
const undo = (files: readonly FileChange[], words: readonly string[] = [], site?: string): string =>
  undoOf(plan(...files), new Map(files.map(file => [file.site, 7])), words, site)

describe('the command that takes a change back', () => {
  test('sets what was set and unsets what was not', () => {
    expect(undo([change('reg_max_expires=300', 'reg_max_expires=600')])).toBe(
      'cw config set reg_max_expires=300',
    )
    expect(undo([change('', 'reg_max_expires=600\nsub_max_expires=6')])).toBe(
      'cw config unset reg_max_expires sub_max_expires',
    )
    expect(undo([change("smtp_username='a b $x'", 'smtp_username=c')])).toBe(
      "cw config set 'smtp_username=a b $x'",
    )
  })

  test.each([
    ['some were set and some not', [change('reg_max_expires=300', 'reg_max_expires=600\nsub_max_expires=6')]],
    ['a secret is among them', [change('signup_key=old', 'signup_key=new')]],
    ['it was a JSON file', [change('{"routes":[]}', '{"routes":[{}]}', 'bgcf.json')]],
    ['only remarks changed', [change('# a', '# b')]],
  ])('goes by the number of the change where %s', (_, files) => {
    expect(undo(files)).toBe('cw config import --before 7 --site a')
  })

  test('goes by the numbers where sites differed', () => {
    const files = [
      change('reg_max_expires=300', 'reg_max_expires=600'),
      change('reg_max_expires=400', 'reg_max_expires=600', 'shared_config', 'b'),
    ]
    expect(undo(files)).toBe('cw config import --before 7 --site a && cw config import --before 7 --site b')
  })

  test('is for the same deployment and site', () => {
    const files = [change('reg_max_expires=300', 'reg_max_expires=600')]
    expect(undo(files, ['--file', 'my lab.yaml'], 'a')).toBe(
      "cw config set reg_max_expires=300 --site a --file 'my lab.yaml'",
    )
  })
})
