import { describe, expect, test } from 'vitest'
import { loadPlaybook, parsePlaybook } from './playbook.ts'

const PLAYBOOK = `operation: test
phases:
  - name: one
    title: One
    on: all
    steps:
      - name: files
        title: Files
        tasks:
          - file: { path: /etc/a, content: a }
`

describe('a playbook', () => {
  test('gives phases, steps and tasks with their defaults', () => {
    expect(parsePlaybook(PLAYBOOK, 'test.yml').phases[0]).toMatchObject({
      needs: 'one',
      steps: [{ tasks: [{ action: 'file', params: { path: '/etc/a', mode: '0644', owner: 'root:root' } }] }],
    })
  })

  test.each([
    ['a misspelt action', ['- file:', '- flie:'], 10, 'no action is called flie'],
    ['a parameter that is none', ['content: a', 'contents: a'], 10, 'contents'],
    ['a mode that YAML takes for a number', ['content: a', 'content: a, mode: 0644'], 10, 'mode'],
    ['nodes that no selector names', ['on: all', 'on: everywhere'], 5, 'on'],
    ['broken YAML', ['title: One', 'title: "One'], 1, ''],
  ])('tells the line of %s', (_what, [from = '', to = ''], line, why) => {
    const broken = (): unknown => parsePlaybook(PLAYBOOK.replace(from, to), 'test.yml')

    expect(broken).toThrow(
      expect.objectContaining({
        code: 'FILE_INVALID',
        detail: expect.objectContaining({
          why: expect.stringContaining(why) as string,
          where: expect.objectContaining(why === '' ? {} : { line }) as object,
        }) as object,
      }),
    )
  })

  test('two steps of one name in a phase are refused: the journal could not tell them apart', () => {
    const step = PLAYBOOK.slice(PLAYBOOK.indexOf('      - name'))
    expect(() => parsePlaybook(`${PLAYBOOK}${step}`, 'test.yml')).toThrow(
      expect.objectContaining({
        detail: expect.objectContaining({ why: expect.stringContaining('one/files') as string }) as object,
      }),
    )
  })

  test.each(['deploy', 'destroy'])('%s as shipped is valid', operation => {
    expect(loadPlaybook(operation).operation).toBe(operation)
  })
})
