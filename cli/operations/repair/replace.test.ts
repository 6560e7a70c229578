import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { replacement } from './replace.ts'

const TEXT = `name: lab
domain: ims.test
sites: [a, b]
nodes:
  - { name: bono-1, address: 10.0.0.1, site: a, roles: [bono] }
  - { name: sprout-1, address: 10.0.0.2, site: a, roles: [sprout] }
  - { name: sprout-2, address: 10.0.0.3, site: a, roles: [sprout] } # burnt
  - { name: home-1, address: 10.0.0.4, site: a, roles: [homestead, homer] }
  - { name: spare-1, address: 10.0.0.5, site: a } # new
  - { name: spare-2, address: 10.0.0.6, site: b }
`

describe('a replacement', () => {
  let folder: string
  let file: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'clearwater-replace-'))
    file = join(folder, 'cw.yaml')
    writeFileSync(file, TEXT)
  })
  afterEach(() => {
    rmSync(folder, { recursive: true })
  })

  test('gives the roles to the spare, and takes the dead node out of the file', async () => {
    const { deployment, losses, write, by } = await replacement(file, 'sprout-2', 'spare-1')

    expect(by).toBe('spare-1')
    expect(losses).toEqual([])
    expect(deployment.nodes.map(({ name, roles }) => `${name}: ${roles.join()}`)).toEqual([
      ...['bono-1: bono', 'sprout-1: sprout', 'home-1: homestead,homer', 'spare-1: sprout', 'spare-2: '],
    ])
    expect(readFileSync(file, 'utf8')).toBe(TEXT)
    await write()
    expect(readFileSync(file, 'utf8')).toBe(
      TEXT.replace(/.*burnt\n/, '').replace('site: a } # new', 'site: a, roles: [sprout] } # new'),
    )
  })

  test('by a fresh host at the same address changes nothing in the file', async () => {
    const { deployment, before, by } = await replacement(file, 'sprout-2', undefined)

    expect({ by, same: deployment === before }).toEqual({ by: 'sprout-2', same: true })
  })

  test('says what is lost with who was alone', async () => {
    expect((await replacement(file, 'home-1', 'spare-1')).losses).toMatchObject([
      { name: 'SUBSCRIBERS_LOST' },
    ])
    writeFileSync(file, TEXT.replace(/.*burnt\n/, ''))
    expect((await replacement(file, 'sprout-1', 'spare-1')).losses).toMatchObject([
      { name: 'REGISTRATIONS_LOST' },
    ])
  })

  test('does not write over what was edited meanwhile', async () => {
    const { write } = await replacement(file, 'sprout-2', 'spare-1')
    writeFileSync(file, `${TEXT}# mine\n`)

    await expect(write()).rejects.toMatchObject({ code: 'FILE_INVALID' })
    expect(readFileSync(file, 'utf8')).toContain('# mine')
  })

  test.each([
    ['sprot-2', 'spare-1', 'the deployment has no node sprot-2'],
    ['sprout-2', 'spare-9', 'the deployment has no node spare-9'],
    ['sprout-2', 'bono-1', 'bono-1 is no spare: it is bono'],
    ['sprout-2', 'spare-2', 'spare-2 is at b, and sprout-2 at a'],
    ['spare-2', 'spare-1', 'spare-2 is a spare itself'],
  ])('of %s by %s is refused', async (node, spare, message) => {
    await expect(replacement(file, node, spare)).rejects.toThrow(message)
  })
})
