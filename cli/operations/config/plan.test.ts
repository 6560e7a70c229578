import { expect, test } from 'vitest'
import { patchOf } from './plan.ts'

test('a patch shows no secret, whether it changes or stands beside what does', () => {
  const before = "a=1\nexport signup_key='hunter2'\n# was hunter2 in May\nb=1\n"
  const patch = patchOf({
    ...{ site: 'site1', file: 'shared_config', before, revision: 1, changes: [] },
    after: before.replace('in May', 'in June'),
  })

  expect(patch).toContain('signup_key=<redacted>')
  expect(patch).toContain('+# was <redacted> in June')
  expect(patch).not.toContain('hunter2')
})
