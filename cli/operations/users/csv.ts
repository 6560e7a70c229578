import { CsvError, parse } from 'csv-parse/sync'
import { randomBytes } from 'node:crypto'
import { CwError } from '../../../lib/kit/errors.ts'
import { linesOf, type Position } from './lines.ts'

/** A subscriber as a line of the file gives it; what was left out is filled in. */
export interface CsvRow {
  readonly public_id: string
  readonly private_id: string
  readonly realm: string
  readonly password: string
}

export type CsvItem =
  | {
      readonly ok: true
      readonly line: number
      readonly end: Position
      readonly row: CsvRow
      readonly madePassword: boolean
    }
  | { readonly ok: false; readonly line: number; readonly why: string }

/** No honest line is longer. */
const LONGEST_LINE = 16 * 1024

const HEADER = /^public/i
const PUBLIC_ID = /^sips?:([^\s@<>"]+)@([^\s@<>",;?]+)$|^tel:\+?[\d().*#-]+$/i
const ALPHABET = 'abcdefghjkmnpqrstvwxyz3456789'

/**
 * Reads `public id, private id, realm, password`, one subscriber a line, as a stream. All but the first may be left out:
 * private id and realm come from the public id, a password is made. A header line is passed over. Each line is parsed by
 * itself, so that a quote which is never closed spoils no more than its own.
 *
 * @throws CwError FILE_UNREADABLE
 */
export async function* readCsv(file: string, from: Position): AsyncGenerator<CsvItem, void> {
  try {
    for await (const { text, end } of linesOf(file, from, LONGEST_LINE)) {
      const record = text === undefined ? `longer than ${LONGEST_LINE} bytes` : parseLine(text)
      if (record === undefined) continue
      const line = end.lines
      if (typeof record === 'string') yield { ok: false, line, why: record }
      else if (line > 1 || !HEADER.test(record[0] ?? '')) yield toItem(record, end)
    }
  } catch (cause) {
    throw new CwError('FILE_UNREADABLE', 'the file cannot be read', {
      where: { file },
      remedies: ['name a CSV file that exists'],
      cause,
    })
  }
}

/** The fields of a line; what is wrong with it; or undefined if it is blank. */
function parseLine(text: string): readonly string[] | string | undefined {
  try {
    const [record] = parse(text, { trim: true, relax_column_count: true, skip_empty_lines: true })
    return record
  } catch (error) {
    if (error instanceof CsvError) return `a quote stands where none may (${error.code})`
    throw error
  }
}

function toItem(record: readonly string[], end: Position): CsvItem {
  const line = end.lines
  const [public_id = '', privateId = '', realm = '', password = ''] = record
  if (record.length > 4) return { ok: false, line, why: `${record.length} columns, at most 4 are expected` }
  const match = PUBLIC_ID.exec(public_id)
  if (match === null)
    return { ok: false, line, why: `"${public_id}" is no public id: sip:NUMBER@DOMAIN is expected` }
  const [, user, domain] = match
  if (domain === undefined && (privateId === '' || realm === '')) {
    return { ok: false, line, why: 'private id and realm cannot be derived from a tel URI' }
  }
  const row = {
    public_id,
    private_id: privateId === '' ? `${user ?? ''}@${domain ?? ''}` : privateId,
    realm: realm === '' ? (domain ?? '') : realm,
    password: password === '' ? makePassword() : password,
  }
  return { ok: true, line, end, row, madePassword: password === '' }
}

/** 48 random bits in letters and digits that cannot be mistaken for each other. */
function makePassword(): string {
  let bits = randomBytes(6).readUIntBE(0, 6)
  let password = ''
  while (password.length < 10) {
    password += ALPHABET.charAt(bits % ALPHABET.length)
    bits = Math.floor(bits / ALPHABET.length)
  }
  return password
}

/** One line of a file like the one that was read. */
export function formatCsvRow({ public_id, private_id, realm, password }: CsvRow): string {
  return [public_id, private_id, realm, password].map(quote).join(',')
}

function quote(value: string): string {
  return /[",\r\n]|^\s|\s$/.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}
