import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openEmbedded } from './environment.ts'
import { keptSecret } from './secret.ts'

test('a secret is made once, one for each name, and kept over a restart', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'cw-secret-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))

  const first = await openEmbedded({ dir })
  const made = await keptSecret(first, 'flows')
  expect(made).toMatch(/^[0-9a-f]{64}$/)
  expect(await keptSecret(first, 'flows')).toBe(made)
  expect(await keptSecret(first, 'other')).not.toBe(made)
  await first.close()

  await using second = await openEmbedded({ dir })
  expect(await keptSecret(second, 'flows')).toBe(made)
})
