import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { configurationKey } from '../../../lib/etcd/layout.ts'
import type { ConfigurationAccess } from './access.ts'
import { exportConfiguration, settingOptions } from './requests.ts'

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

test('an export is for the owner alone, whatever was there before', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'clearwater-export-'))
  onTestFinished(() => {
    rmSync(folder, { recursive: true })
  })
  const [elsewhere, out] = [join(folder, 'elsewhere'), join(folder, 'out')]
  writeFileSync(elsewhere, 'theirs', { mode: 0o644 })
  const item = (name: 'shared_config' | 'bgcf.json', text: string): object => ({
    ...{ key: configurationKey('site1', name), value: Buffer.from(text), revision: 1, lease: '' },
  })
  const items = [item('shared_config', 'a=1\n'), item('bgcf.json', '{}')]
  const etcd = { getPrefix: () => Promise.resolve({ items }) }
  const access = { etcd, sites: ['site1'] } as unknown as ConfigurationAccess

  await exportConfiguration(access, out)
  rmSync(join(out, 'shared_config'))
  symlinkSync(elsewhere, join(out, 'shared_config'))
  await exportConfiguration(access, out)

  expect(readFileSync(elsewhere, 'utf8')).toBe('theirs')
  expect(readFileSync(join(out, 'shared_config'), 'utf8')).toBe('a=1\n')
  expect(statSync(join(out, 'shared_config')).mode & 0o777).toBe(0o600)
  expect(statSync(out).mode & 0o777).toBe(0o700)
})
