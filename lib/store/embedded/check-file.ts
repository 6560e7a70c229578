import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

/** Where the first meta page has its magic number and format version, after a page header of 24 octets. */
const MAGIC_AT = 24
const MAGIC = 0xbeefc0de
const FORMAT = 2
const TWO_PAGES = 8192

/**
 * Refuses a data file that is not one of LMDB's: the engine maps it into memory and trusts what it finds there.
 *
 * @throws Error saying what is wrong; a file that does not exist or is empty is fine.
 */
export function checkDataFile(file: string): void {
  let fd: number
  try {
    fd = openSync(file, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return
    throw error
  }
  try {
    const { size } = fstatSync(fd)
    if (size === 0) return
    const head = Buffer.alloc(8)
    readSync(fd, head, 0, head.length, MAGIC_AT)
    if (size < TWO_PAGES || head.readUInt32LE(0) !== MAGIC) throw new Error(`${file} is not a store`)
    if (head.readUInt32LE(4) !== FORMAT) throw new Error(`${file} is a store of another version`)
  } finally {
    closeSync(fd)
  }
}
