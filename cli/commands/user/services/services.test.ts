import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startHomer, type RunningHomer } from '../../../../daemons/homer/homer.ts'
import { noLog } from '../../../../lib/kit/log.ts'
import { EmbeddedDocumentStore } from '../../../../lib/store/embedded/documents.ts'
import { openEmbedded, type EmbeddedEnvironment } from '../../../../lib/store/embedded/environment.ts'
import type { Impu } from '../../../../lib/ims/identity.ts'
import { cw as run, type CwRun } from '../../../testing/run-cw.ts'

let folder: string
let environment: EmbeddedEnvironment
let documents: EmbeddedDocumentStore
let homer: RunningHomer

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cw-homer-'))
  environment = await openEmbedded({ dir: join(folder, 'data') })
  documents = new EmbeddedDocumentStore(environment)
  homer = await startHomer({ log: noLog, documents, bind: '127.0.0.1', port: 0 })
})
afterAll(async () => {
  await homer.close()
  await environment.close()
  rmSync(folder, { recursive: true })
})

const cw = (...argv: string[]): Promise<CwRun> =>
  run('user', 'services', ...argv, '--homer', `127.0.0.1:${homer.port}`)

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

describe('cw user services with the real homer', () => {
  test('sets services, adds to them, shows them and removes them', async () => {
    const set = await cw(
      'set',
      '100..102',
      'ims.test',
      '--divert-busy',
      '+16505550009',
      '--no-reply-timer',
      '30',
    )
    expect(set).toMatchObject({ exit: 0, stdout: 'set the services of 3 subscribers\n', stderr: '' })
    const more = [
      '--bar-outgoing',
      'international',
      '--bar-incoming',
      'anonymous',
      '--hide-identity',
      'always',
    ]
    await cw('set', '101', 'ims.test', ...more, '--divert', 'tel:+44-1')

    expect((await cw('show', '100..101', 'ims.test')).stdout).toBe(
      [
        'sip:100@ims.test:',
        '  identity: shown',
        '  calls out: allowed',
        '  calls in: allowed',
        '  diverted: busy -> +16505550009',
        '  rings for: 30 s before nobody answers',
        'sip:101@ims.test:',
        '  identity: hidden, unless the call says otherwise',
        '  calls out: international barred',
        '  calls in: anonymous barred',
        '  diverted: busy -> +16505550009',
        '  diverted: all -> tel:+44-1',
        '  rings for: 30 s before nobody answers',
        '',
      ].join('\n'),
    )

    expect((await cw('set', '101', 'ims.test', '--remove')).exit).toBe(0)
    expect((await cw('show', '101', 'ims.test')).stdout).toBe('sip:101@ims.test:\n  nothing is set up\n')
  })

  test('stores a whole document, and gives it back', async () => {
    const document =
      '<simservs xmlns="http://uri.etsi.org/ngn/params/xml/simservs/xcap"><communication-waiting/></simservs>'
    expect((await cw('set', '110', 'ims.test', '--file', file('good.xml', document))).exit).toBe(0)
    expect((await cw('show', '110', 'ims.test', '--xml')).stdout).toBe(`${document}\n`)
    const shown = await cw('show', '110..111', 'ims.test', '--json')
    expect((JSON.parse(shown.stdout) as { result: unknown }).result).toMatchObject({
      subscribers: [
        {
          public_id: 'sip:110@ims.test',
          document,
          services: { hide_identity: 'never', diversions: [], barring_in: [] },
        },
        { public_id: 'sip:111@ims.test' },
      ],
      failed: [],
      total: 2,
    })
  })
})

describe('what cannot be done is told, and changes nothing', () => {
  test.each([
    [[], 'USAGE', 'nothing is to be set'],
    [['--remove', '--divert', '100'], 'USAGE', 'too much is to be set at once'],
    [['--file', '/nowhere.xml'], 'FILE_UNREADABLE', 'cannot be read'],
    [['--divert-busy', 'banana'], 'OPTION_INVALID', '--divert-busy "banana"'],
    [['--divert', 'mailto:a@b.c'], 'OPTION_INVALID', 'no address'],
    [['--no-reply-timer', '4'], 'USAGE', '5'],
    [['--bar-outgoing', 'some'], 'USAGE', 'all, international, none'],
  ])('%j: %s', async (flags, code, told) => {
    const { exit, stderr } = await cw('set', '120', 'ims.test', ...flags)
    expect(exit).toBe(2)
    expect(stderr).toContain(code)
    expect(stderr).toContain(told)
    expect(await documents.get('sip:120@ims.test' as Impu)).toBeUndefined()
  })

  test('a document that homer does not take, with homer’s reason', async () => {
    const { exit, stderr } = await cw('set', '120', 'ims.test', '--file', file('bad.xml', '<simservs/>'))
    expect(exit).toBe(2)
    expect(stderr).toContain('homer refuses the service document')
    expect(stderr).toContain('{}simservs instead of')
    expect(stderr).toContain('bad.xml')
  })

  test('services that are stored and cannot be read', async () => {
    await documents.put('sip:121@ims.test' as Impu, 'nonsense')
    expect((await cw('show', '121', 'ims.test')).stdout).toContain('cannot be read')
    const { exit, stderr } = await cw('set', '121', 'ims.test', '--bar-incoming', 'all')
    expect(exit).toBe(1)
    expect(stderr).toContain('cw user services set 121 ims.test --remove')
  })

  test('a homer that is not there', async () => {
    const { exit, stderr } = await run(
      'user',
      'services',
      'show',
      '100',
      'ims.test',
      '--homer',
      '127.0.0.1:1',
    )
    expect(exit).toBe(7)
    expect(stderr).toContain('homer does not answer')
    expect(stderr).toContain('--homer HOST:PORT')
  })
})
