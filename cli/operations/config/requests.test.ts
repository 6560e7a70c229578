import { describe, expect, test } from 'vitest'
import { settingOptions } from './requests.ts'

describe('setting options', () => {
  const ask = (name: string): Promise<string> => Promise.resolve(`${name} of the pipe`)

  test('a secret comes from standard input', async () => {
    const { wanted, what } = await settingOptions(['reg_max_expires=600', 'signup_key=-'], ask)

    expect(wanted.get('shared_config')?.(undefined, 'site1')).toBe(
      "reg_max_expires=600\nsignup_key='signup_key of the pipe'\n",
    )
    expect(what).toBe('set reg_max_expires signup_key')
  })

  test.each([[['signup_key=hunter2']], [['signup_key=-', 'smtp_password=-']]])(
    'secrets on the command line, or two from one input, are refused: %j',
    async words => {
      const error: unknown = await settingOptions(words, ask).catch((refusal: unknown) => refusal)

      expect(error).toMatchObject({ code: 'USAGE' })
      expect(JSON.stringify(error)).not.toContain('hunter2')
    },
  )
})
