import { describe, expect, test } from 'vitest'
import { OPTIONS } from '../../lib/config/options.ts'
import { LIVE_OPTIONS } from './daemon-live.ts'

describe('the impact that an option declares is what its daemons do', () => {
  test.for(Object.entries(LIVE_OPTIONS))('%s', ([daemon, live]) => {
    const promised = [...OPTIONS.values()]
      .filter(option => option.impact === 'reload' && option.retired === undefined)
      .filter(option => option.usedBy.some(consumer => consumer === daemon))
      .map(option => option.name)

    expect([...live].sort()).toEqual(promised.sort())
  })
})
