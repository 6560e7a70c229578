import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FakeHomesteadProv } from '../../testing/fake-homestead-prov.ts'
import { cw as run, type CwRun } from '../../testing/run-cw.ts'

/** TS 35.208 §4.3, set 1. */
const [K, OPC] = ['465b5ce8b199b49faa5f0a2ee238a6bc', 'cd63cb71954a9f4e48a5994e37a02baf']

let prov: FakeHomesteadProv

beforeEach(async () => {
  prov = await FakeHomesteadProv.start()
})
afterEach(async () => {
  await prov[Symbol.asyncDispose]()
})

const cw = (...argv: string[]): Promise<CwRun> => run('user', ...argv, '--hsprov', prov.address)
const result = ({ stdout }: CwRun): unknown => (JSON.parse(stdout) as { result: unknown }).result
const ha1 = (user: string, password: string): string =>
  createHash('md5').update(`${user}@ims.test:ims.test:${password}`).digest('hex')

describe('cw user create', () => {
  test('makes a whole subscriber and sends only the digest of the password', async () => {
    const { exit, stdout, stderr } = await cw('create', '6505550001', 'ims.test', 's3cret')

    expect({ exit, stdout, stderr }).toEqual({ exit: 0, stdout: 'created 1 subscriber\n', stderr: '' })
    expect(prov.publicIds).toEqual(['sip:6505550001@ims.test'])
    expect(prov.privates.get('6505550001@ims.test')).toMatchObject({
      ha1: ha1('6505550001', 's3cret'),
      realm: 'ims.test',
    })
    expect(prov.privates.get('6505550001@ims.test')?.plaintext).toBeUndefined()
    expect([...prov.profiles.values()][0]?.ifc).toContain('<ServiceProfile>')
  })

  test('with --plaintext stores the password too', async () => {
    await cw('create', '1', 'ims.test', 's3cret', '--plaintext')
    expect(prov.privates.get('1@ims.test')).toMatchObject({ plaintext: 's3cret', ha1: ha1('1', 's3cret') })
  })

  test('with --sha256 stores that digest too', async () => {
    await cw('create', '1', 'ims.test', 's3cret', '--sha256')
    const sha256 = createHash('sha256').update('1@ims.test:ims.test:s3cret').digest('hex')
    expect(prov.privates.get('1@ims.test')).toMatchObject({ sha256, ha1: ha1('1', 's3cret') })
  })

  test('with a USIM needs no password, and may have one', async () => {
    const usim = ['--aka-k', K, '--aka-opc', OPC]
    expect((await cw('create', '1', 'ims.test', ...usim, '--aka-amf', 'b9b9')).exit).toBe(0)
    expect((await cw('create', '2', 'ims.test', 's3cret', ...usim)).exit).toBe(0)
    expect(prov.privates.get('1@ims.test')?.aka).toEqual({ k: K, opc: OPC, amf: 'b9b9' })
    expect(prov.privates.get('2@ims.test')).toMatchObject({
      ha1: ha1('2', 's3cret'),
      aka: { k: K, opc: OPC, amf: '8000' },
    })
  })

  test.each([
    [['--aka-k', K.slice(1), '--aka-opc', OPC], '--aka-k is not 32 hexadecimal digits'],
    [['--aka-k', K, '--aka-opc', `${OPC}0`], '--aka-opc is not 32'],
    [['--aka-k', K, '--aka-opc', OPC, '--aka-amf', '80'], '--aka-amf is not 4'],
    [['--aka-k', K], '--aka-opc is missing'],
    [['--aka-opc', OPC], '--aka-k is missing'],
    [['--aka-k', '-', '--aka-opc', OPC, '--password', '-'], 'standard input is to give both'],
  ])('with half a USIM, %j, creates nothing', async (flags, why) => {
    const { exit, stderr } = await cw('create', '1', 'ims.test', ...flags)
    expect(exit).toBe(2)
    expect(stderr).toContain(why)
    expect(prov.requests).toEqual([])
  })

  test('takes ranges and lists, and reports in the order of the numbers', async () => {
    const outcome = await cw('create', '100..139,7', 'ims.test', 'x', '--json')
    const { subscribers, ...counts } = result(outcome) as { subscribers: { public_id: string }[] }
    expect(counts).toEqual({ created: 41, existing: 0, failed: 0, total: 41 })
    expect(subscribers.map(each => each.public_id.slice(4, -9))).toEqual([
      ...Array.from({ length: 40 }, (_, i) => String(100 + i)),
      '7',
    ])
    expect(prov.publicIds).toHaveLength(41)
  })

  test('fills domain and prefix into the filter criteria', async () => {
    await withFile('<ServiceProfile><A>sip:${PREFIX}@${DOMAIN}</A></ServiceProfile>', file =>
      cw('create', '1', 'ims.test', 'x', '--ifc', file, '--prefix', '99'),
    )
    expect([...prov.profiles.values()][0]?.ifc).toBe(
      '<ServiceProfile><A>sip:99@ims.test</A></ServiceProfile>',
    )
  })

  test.each([
    ['<html/>', 'its root element is html'],
    ['<ServiceProfile>', 'why:'],
  ])('refuses filter criteria %s and changes nothing', async (text, why) => {
    const { exit, stderr } = await withFile(text, file => cw('create', '1', 'ims.test', 'x', '--ifc', file))
    expect(exit).toBe(2)
    expect(stderr).toContain('FILE_INVALID')
    expect(stderr).toContain(why)
    expect(prov.requests).toEqual([])
  })

  test('refuses a file that is not there', async () => {
    const { exit, stderr } = await cw('create', '1', 'ims.test', 'x', '--ifc', '/no/such.xml')
    expect(exit).toBe(2)
    expect(stderr).toMatch(/FILE_UNREADABLE[^]*where: {3}\/no\/such.xml/)
  })

  test('an existing number is an error in six parts, ends with 1, and is left as it is', async () => {
    await cw('create', '1', 'ims.test', 'old')
    const { exit, stdout, stderr } = await cw('create', '1', 'ims.test', 'new')

    expect({ exit, stdout }).toEqual({ exit: 1, stdout: '' })
    expect(stderr).toBe(
      [
        'error SUBSCRIBER_EXISTS: sip:1@ims.test already exists',
        `  where:   http://${prov.address}`,
        '  why:     the private id 1@ims.test is there; it was left as it is',
        '  changed: nothing',
        '  next:    set a new password: cw user update 1 ims.test',
        '           pass over numbers that exist: --if-missing',
        '',
      ].join('\n'),
    )
    expect(prov.privates.get('1@ims.test')?.ha1).toBe(ha1('1', 'old'))
  })

  test.each(['--if-missing', '--keep-going'])('with %s an existing number is a remark', async flag => {
    await cw('create', '2', 'ims.test', 'old')
    const { exit, stdout, stderr } = await cw('create', '1..3', 'ims.test', 'x', flag)
    expect({ exit, stdout }).toEqual({ exit: 0, stdout: 'created 2 subscribers\n' })
    expect(stderr).toBe('warning: sip:2@ims.test already exists - not creating\n')
  })

  test('undoes what it had made when a later step fails', async () => {
    prov.faults.push({ pattern: /^PUT .*filter_criteria$/, status: 500 })
    const { exit, stderr } = await cw('create', '1', 'ims.test', 'x')
    expect(exit).toBe(1)
    expect(stderr).toContain('error SERVICE_ERROR')
    expect(stderr).toContain('it answered 500: taught to fail')
    expect(stderr).toContain('changed: nothing')
    expect([prov.privates.size, prov.profiles.size, prov.sets.size]).toEqual([0, 0, 0])
  })

  test('says how to clean up when undoing fails too', async () => {
    prov.faults.push(
      { pattern: /filter_criteria$/, status: 500 },
      { pattern: /^DELETE \/private/, status: 503 },
    )
    const { stderr } = await cw('create', '1', 'ims.test', 'x')
    expect(stderr).toContain('sip:1@ims.test is left half-made')
    expect(stderr).toContain('changed: some')
    expect(stderr).toContain('cw user delete 1 ims.test --force')
  })

  test('stops at the first failure, or with --keep-going does the rest and tells of each', async () => {
    prov.faults.push({ pattern: /^PUT \/private\/0(01|40)%40/, status: 503 })
    const stopped = result(await cw('create', '001..400', 'ims.test', 'x', '--json')) as {
      created: number
      failed: number
    }
    expect(stopped.failed).toBe(1)
    expect(stopped.created).toBeLessThan(100)

    const run = await cw('create', '001..060', 'ims.test', 'x', '--keep-going')
    expect(run.exit).toBe(1)
    expect(run.stderr).toContain('2 of 60 subscribers failed')
    expect(run.stderr).toContain('SERVICE_ERROR for sip:001@ims.test, sip:040@ims.test')
  })

  test.each([
    [['1'], 'the domain is missing'],
    [['1', 'ims.test'], 'the password is missing'],
    [['1', 'not a domain', 'x'], 'is no domain'],
    [['1', 'ims.test', 'x', '--password', 'y'], 'given twice'],
    [['5..1', 'ims.test', 'x'], 'below the first'],
  ])('refuses %j before it asks anybody anything', async (argv, why) => {
    const { exit, stderr } = await cw('create', ...argv)
    expect(exit).toBe(2)
    expect(stderr).toContain(why)
    expect(prov.requests).toEqual([])
  })
})

describe('cw user update', () => {
  test('sets the password and displays the subscriber', async () => {
    await cw('create', '1', 'ims.test', 'old')
    const { exit, stdout } = await cw('update', '1', 'ims.test', 'new')
    expect(exit).toBe(0)
    expect(stdout).toMatch(
      /^Public User ID sip:1@ims.test:\n {2}Private User ID 1@ims.test:\n {4}HA1 digest: /,
    )
    expect(prov.privates.get('1@ims.test')?.ha1).toBe(ha1('1', 'new'))
  })

  test('with --quiet displays nothing', async () => {
    await cw('create', '1', 'ims.test', 'old')
    expect(await cw('update', '1', 'ims.test', 'new', '-q')).toEqual({ exit: 0, stdout: '', stderr: '' })
  })

  test('of an unknown number creates nothing', async () => {
    const { exit, stderr } = await cw('update', '1', 'ims.test', 'new')
    expect(exit).toBe(1)
    expect(stderr).toContain('SUBSCRIBER_UNKNOWN: there is no subscriber sip:1@ims.test')
    expect(prov.privates.size).toBe(0)
  })
})

describe('cw user delete', () => {
  test('leaves nothing of a subscriber', async () => {
    await cw('create', '1..3', 'ims.test', 'x')
    expect(await cw('delete', '1..3', 'ims.test')).toEqual({
      exit: 0,
      stdout: 'deleted 3 subscribers\n',
      stderr: '',
    })
    expect([prov.privates.size, prov.profiles.size, prov.sets.size]).toEqual([0, 0, 0])
  })

  test('an unknown number ends with 1, with --force it is a remark, with --quiet nothing', async () => {
    await cw('create', '2', 'ims.test', 'x')
    expect((await cw('delete', '1', 'ims.test')).exit).toBe(1)
    expect(await cw('delete', '1,2', 'ims.test', '--force')).toEqual({
      exit: 0,
      stdout: 'deleted 1 subscriber\n',
      stderr: 'warning: sip:1@ims.test does not exist\n',
    })
    expect((await cw('delete', '1', 'ims.test', '-f', '-q')).stderr).toBe('')
  })

  test('removes a half-made subscriber', async () => {
    prov.faults.push({ pattern: /filter_criteria$/, status: 500 }, { pattern: /^DELETE/, status: 503 })
    await cw('create', '1', 'ims.test', 'x')
    prov.faults.length = 0
    expect((await cw('delete', '1', 'ims.test', '--force')).exit).toBe(0)
    expect(prov.privates.size).toBe(0)
  })
})

describe('cw user show', () => {
  test('prints ids, digest and filter criteria', async () => {
    await cw('create', '6505550001', 'ims.test', 's3cret', '--plaintext')
    const { stdout } = await cw('show', '6505550001', 'ims.test')
    expect(stdout).toBe(
      [
        'Public User ID sip:6505550001@ims.test:',
        '  Private User ID 6505550001@ims.test:',
        `    HA1 digest: ${ha1('6505550001', 's3cret')} (s3cret)`,
        '  iFC:',
        '    <?xml version="1.0" encoding="UTF-8"?>',
        '    <ServiceProfile></ServiceProfile>',
        '',
      ].join('\n'),
    )
  })

  test('with --short prints one line, and does not ask for filter criteria', async () => {
    await cw('create', '1', 'ims.test', 'x')
    const { stdout } = await cw('show', '1', 'ims.test', '-s')
    expect(stdout).toBe(`sip:1@ims.test/1@ims.test: ${ha1('1', 'x')}\n`)
    expect(prov.requests.some(call => call.startsWith('GET') && call.includes('filter_criteria'))).toBe(false)
  })

  test('with --keep-going shows those that exist and still ends with 1', async () => {
    await cw('create', '1,3', 'ims.test', 'x')
    const { exit, stdout, stderr } = await cw('show', '1..3', 'ims.test', '-s', '-k')
    expect(exit).toBe(1)
    expect(stdout.split('\n')).toHaveLength(3)
    expect(stderr).toContain('SUBSCRIBER_UNKNOWN')
    expect((await cw('show', '1..3', 'ims.test', '-s', '-k', '-q')).stderr).toBe('')
  })

  test('as JSON gives what is stored', async () => {
    await cw('create', '1', 'ims.test', 'x')
    expect(result(await cw('show', '1', 'ims.test', '--json', '--short'))).toEqual({
      subscribers: [
        {
          public_id: 'sip:1@ims.test',
          private_ids: [{ private_id: '1@ims.test', digest_ha1: ha1('1', 'x'), realm: 'ims.test' }],
        },
      ],
      failed: [],
      total: 1,
    })
  })
})

describe('cw user list', () => {
  test('finds every subscriber once', async () => {
    await cw('create', '1000..1299', 'ims.test', 'x')
    const { exit, stdout } = await cw('list', '--pace', '100000', '--force')
    expect(exit).toBe(0)
    expect(stdout.trimEnd().split('\n').sort()).toEqual([...prov.publicIds].sort())
  })

  test('of an empty store is empty', async () => {
    expect(await cw('list')).toEqual({ exit: 0, stdout: '', stderr: '' })
    expect(result(await cw('list', '--json'))).toEqual({ subscribers: [], count: 0 })
  })

  test('with --full displays each', async () => {
    await cw('create', '1..2', 'ims.test', 'x')
    const { stdout } = await cw('list', '--full', '--pace', '1000', '-f')
    expect(stdout.match(/Public User ID/g)).toHaveLength(2)
    expect(stdout.match(/HA1 digest/g)).toHaveLength(2)
  })

  test('a higher pace has to be confirmed', async () => {
    const { exit, stderr } = await cw('list', '--full', '--pace', '6')
    expect(exit).toBe(8)
    expect(stderr).toContain('NOT_CONFIRMED')
    expect(prov.requests).toEqual([])
  })
})

describe('homestead-prov that cannot be used', () => {
  test('nobody listening ends with 7 and says what to do', async () => {
    const { exit, stdout, stderr } = await run('user', 'show', '1', 'ims.test', '--hsprov', '127.0.0.1:1')
    expect({ exit, stdout }).toEqual({ exit: 7, stdout: '' })
    expect(stderr).toContain('error SERVICE_UNREACHABLE: homestead-prov does not answer')
    expect(stderr).toContain('cw up')
    expect(stderr).toContain('--hsprov')
  })

  test('a ping that fails ends the command before it changes anything', async () => {
    prov.faults.push({ pattern: /ping/, status: 503 })
    expect((await cw('create', '1', 'ims.test', 'x')).exit).toBe(1)
    expect(prov.requests).toEqual(['GET /ping'])
  })

  test.each(['foo:bar:1', 'host:0', 'host:70000', 'user@host'])('--hsprov %s is refused', async address => {
    const { exit, stderr } = await run('user', 'list', '--hsprov', address)
    expect(exit).toBe(2)
    expect(stderr).toContain('OPTION_INVALID')
  })
})

async function withFile<T>(text: string, use: (file: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'cw-ifc-'))
  try {
    const file = join(folder, 'ifc.xml')
    writeFileSync(file, text)
    return await use(file)
  } finally {
    await rm(folder, { recursive: true })
  }
}
