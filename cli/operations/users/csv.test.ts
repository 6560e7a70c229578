import fc from 'fast-check'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { formatCsvRow, readCsv, type CsvItem, type CsvRow } from './csv.ts'
import { START, type Position } from './lines.ts'

const folder = mkdtempSync(join(tmpdir(), 'cw-csv-'))
const file = join(folder, 'users.csv')
afterAll(() => {
  rmSync(folder, { recursive: true })
})

async function collect(items: AsyncIterable<CsvItem>): Promise<CsvItem[]> {
  const list: CsvItem[] = []
  for await (const item of items) list.push(item)
  return list
}

function read(text: string | Buffer, from: Position = START): Promise<CsvItem[]> {
  writeFileSync(file, text)
  return collect(readCsv(file, from))
}

const rowsOf = (items: readonly CsvItem[]): CsvRow[] => items.flatMap(item => (item.ok ? [item.row] : []))
const faultsOf = (items: readonly CsvItem[]): string[] =>
  items.flatMap(item => (item.ok ? [] : [`${item.line}: ${item.why}`]))

describe('the CSV file', () => {
  test('gives a subscriber a line', async () => {
    const items = await read(
      'sip:1@ims.test,one@ims.test,realm.test,s3cret\nsip:2@ims.test,2@ims.test,ims.test,"a,""b"\n',
    )
    expect(rowsOf(items)).toEqual([
      { public_id: 'sip:1@ims.test', private_id: 'one@ims.test', realm: 'realm.test', password: 's3cret' },
      { public_id: 'sip:2@ims.test', private_id: '2@ims.test', realm: 'ims.test', password: 'a,"b' },
    ])
  })

  test('has private id, realm and password filled in where they are left out', async () => {
    const [first, second] = rowsOf(await read('sip:1@ims.test\nsip:2@ims.test,,,\n'))
    expect(first).toMatchObject({ private_id: '1@ims.test', realm: 'ims.test' })
    expect(first?.password).toMatch(/^[abcdefghjkmnpqrstvwxyz3-9]{10}$/)
    expect(second?.password).not.toBe(first?.password)
  })

  test.each(['public id,private id,realm,password\n', '\ufeffPublic_ID\n'])(
    'may have a header: %j',
    async header => {
      expect(rowsOf(await read(`${header}sip:1@ims.test,,,x\n`))).toHaveLength(1)
    },
  )

  test('is read whatever its line ends, blank lines and byte order mark', async () => {
    const items = await read('\ufeffsip:1@a.b,,,x\r\n\r\n  \r\n sip:2@a.b , , , y \r\nsip:3@a.b,,,z')
    expect(rowsOf(items).map(row => [row.public_id, row.password])).toEqual([
      ['sip:1@a.b', 'x'],
      ['sip:2@a.b', 'y'],
      ['sip:3@a.b', 'z'],
    ])
  })

  test('tells faulty lines by number and reads the others', async () => {
    const items = await read(
      'sip:1@a.b,,,x\nnonsense\nsip:2@a.b,,,x,extra\ntel:+123,,,x\nsip:3@a.b,,"x"y\nsip:4@a.b,,,x\n',
    )
    expect(rowsOf(items).map(row => row.public_id)).toEqual(['sip:1@a.b', 'sip:4@a.b'])
    expect(faultsOf(items)).toEqual([
      '2: "nonsense" is no public id: sip:NUMBER@DOMAIN is expected',
      '3: 5 columns, at most 4 are expected',
      '4: private id and realm cannot be derived from a tel URI',
      '5: a quote stands where none may (CSV_INVALID_CLOSING_QUOTE)',
    ])
  })

  test('loses no more than one line to a quote that is never closed, or to a line without end', async () => {
    const items = await read(`sip:1@a.b,,,x\n"sip:2@a.b,,,x\n${'x'.repeat(100_000)}\nsip:3@a.b,,,x\n`)
    expect(rowsOf(items).map(row => row.public_id)).toEqual(['sip:1@a.b', 'sip:3@a.b'])
    expect(faultsOf(items)).toEqual([
      '2: a quote stands where none may (CSV_QUOTE_NOT_CLOSED)',
      '3: longer than 16384 bytes',
    ])
  })

  test('is read on from the end of any record as if from the start', async () => {
    const text = '\ufeffpublic id\r\nsip:1@a.b,,,x\r\nsip:2@a.b,,,"y,z"\n\nsip:3@ä.b,,,x\nsip:é4@a.b,,,x'
    const items = await read(text)
    for (const [index, item] of items.entries()) {
      if (!item.ok) throw new Error(item.why)
      expect(await read(text, item.end)).toEqual(items.slice(index + 1))
    }
  })

  test('that is not there is told', async () => {
    await expect(collect(readCsv(join(folder, 'none'), START))).rejects.toMatchObject({
      code: 'FILE_UNREADABLE',
    })
  })

  test('holds what was written to it', async () => {
    const text = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
      .filter(value => value.trim() === value)
    const row = fc.record({
      user: fc.stringMatching(/^[\w.!~*'()&=+$-]{1,15}$/),
      realm: text,
      password: text,
    })
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async rows => {
        writeFileSync(file, '')
        const written = rows.map(({ user, realm, password }) => {
          return { public_id: `sip:${user}@a.b`, private_id: `${user}@a.b`, realm, password }
        })
        for (const each of written) appendFileSync(file, `${formatCsvRow(each)}\n`)
        expect(rowsOf(await collect(readCsv(file, START)))).toEqual(written)
      }),
      { numRuns: 30 },
    )
  })

  test('of any bytes is read to its end', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async bytes => {
        for (const item of await read(Buffer.from(bytes))) expect(item.line).toBeGreaterThan(0)
      }),
      { numRuns: 50 },
    )
  })
})
