import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deploymentOf, makeRelease, Operator, releaseAs, told } from './deployment.ts'
import { Lab } from './lab/lab.ts'

const ROLES = {
  'core-1': ['homestead', 'homer'],
  'edge-1': ['sprout', 'bono'],
  'edge-2': ['sprout', 'bono'],
}

interface Load {
  readonly calls: { readonly tried: number; readonly failed: number }
  readonly established: { readonly ended: number; readonly lost: number }
  readonly registrations: { readonly tried: number; readonly refused: number; readonly unanswered: number }
}

describe('releases', () => {
  let lab: Lab
  let operator: Operator
  let first = ''

  beforeAll(async () => {
    lab = await Lab.start({ hosts: Object.keys(ROLES).map(name => ({ name })), layer: 'services' })
    first = await makeRelease(lab)
    operator = new Operator(lab, { release: first })
    operator.write(deploymentOf(lab, ROLES))
    const run = await operator.deploy('--yes')
    expect(run.code, told(run)).toBe(0)
  })
  afterAll(async () => {
    await lab.close()
  })

  const versionOn = async (name: string): Promise<string> => {
    const link = await lab.host(name).must('readlink -f /opt/clearwater/current')
    return link.trim().replace(/^.*\//, '')
  }
  const versions = async (): Promise<Readonly<Record<string, string>>> =>
    Object.fromEntries(await Promise.all(Object.keys(ROLES).map(async name => [name, await versionOn(name)] as const))) // prettier-ignore
  const everywhere = (version: string): Readonly<Record<string, string>> =>
    Object.fromEntries(Object.keys(ROLES).map(name => [name, version]))

  const roll = async (...args: string[]) => {
    const run = await operator.cw(...args, '--yes', '--soak', '4', '--json')
    const answer = JSON.parse(run.stdout) as {
      result: { done: readonly string[]; left: readonly string[]; proof: Load }
      error?: { code: string; message: string }
    }
    return { run, ...answer }
  }

  test(
    'an upgrade goes node by node, and no call that stands is lost',
    { timeout: 600_000, retry: 0 },
    async () => {
      const file = releaseAs(lab, first, '0.1.1')
      const shown = await operator.cw('upgrade', file, '--dry-run')
      expect(shown.stdout).toMatch(
        /^core-1 +homestead, homer +0\.1\.0 \w{8} +0\.1\.1 \w{8} +first of its kind$/m,
      )
      expect(shown.stdout).toContain('core-1 is the only homestead')
      expect(await versions()).toEqual(everywhere('0.1.0'))

      const { run, result } = await roll('upgrade', file)

      expect(run.code, told(run)).toBe(0)
      expect(result.done).toEqual(['core-1', 'edge-1', 'edge-2'])
      expect(await versions()).toEqual(everywhere('0.1.1'))
      expect(result.proof.established.ended).toBeGreaterThan(20)
      expect(result.proof.established, JSON.stringify(result.proof)).toMatchObject({ lost: 0 })
      const again = await operator.cw('upgrade', file, '--yes')
      expect(again, told(again)).toMatchObject({ code: 0, stdout: 'nothing to do\n' })
    },
  )

  test('a release with which a daemon does not start is taken back there', { timeout: 600_000 }, async () => {
    const file = releaseAs(lab, first, '0.1.2', 'sprout')

    const { run, result, error } = await roll('upgrade', file)

    expect(run.code, told(run)).toBe(5)
    expect(error).toMatchObject({
      code: 'UPGRADE_RETURNED',
      message: 'edge-1 did not serve with 0.1.2, and is back on 0.1.1',
    })
    expect(result.left).toEqual(['edge-2'])
    expect(await versions()).toEqual({ ...everywhere('0.1.1'), 'core-1': '0.1.2' })
    // Nodes of both releases serve together.
    const verified = await operator.cw('verify')
    expect(verified.code, told(verified)).toBe(0)
  })

  test('nodes go back to the release that they had', { timeout: 600_000 }, async () => {
    const { run, result } = await roll('rollback')

    expect(run.code, told(run)).toBe(0)
    expect(result.done).toEqual(['edge-2', 'core-1'])
    expect(await versions()).toEqual({ ...everywhere('0.1.0'), 'core-1': '0.1.1', 'edge-1': '0.1.1' })
  })

  test('all nodes together, quickly', { timeout: 600_000 }, async () => {
    const run = await operator.cw('upgrade', first, '--quick', '--yes')

    expect(run.code, told(run)).toBe(0)
    expect(await versions()).toEqual(everywhere('0.1.0'))
  })

  test('what cannot be put there is refused before anything is touched', async () => {
    const missing = await operator.cw('upgrade', '9.9.9', '--yes')
    expect(missing.stderr).toContain('there is no release 9.9.9 on this machine')
    expect(missing.code).not.toBe(0)
    await lab.host('edge-2').kill()
    const down = await operator.cw('rollback', '--yes')
    expect(down.code, told(down)).toBe(7)
    expect(told(down)).toContain('releases are not changed while a node is down')
    expect(existsSync(first)).toBe(true)
  })
})
