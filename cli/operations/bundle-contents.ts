import { createHash } from 'node:crypto'
import { createReadStream, existsSync, realpathSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { CwError } from '../../lib/kit/errors.ts'

/** What a release is, and the digest of each of its files: `manifest.json` in it. */
export interface ReleaseManifest {
  readonly name: 'clearwater'
  readonly version: string
  readonly platform: string
  /** As Node names it: `x64`, `arm64`. */
  readonly arch: string
  /** The runtime within. */
  readonly node: string
  /** Path within the release to SHA-256 in hex, in the order of paths. */
  readonly files: Readonly<Record<string, string>>
}

/** A file of a release: where it lies here, and there. */
export interface ReleaseFile {
  readonly path: string
  readonly source: string
  readonly executable: boolean
}

export const MANIFEST = 'manifest.json'
const RUNTIME = 'runtime/bin/node'
const EXECUTABLE: readonly string[] = ['bin/cw', RUNTIME]

/** What it would not start without. */
const NEEDED = ['bin/cw', 'dist/main.js', 'dist/commands.js']

/** What ships, from a checkout as from a release. A folder is taken whole. */
const SHIPPED = [
  'bin/cw',
  'dist',
  'templates',
  'playbooks',
  'docs',
  'package.json',
  'README.md',
  'CHANGELOG.md',
  'LICENSE',
]

/** The folder that this code was started from: a checkout, or an unpacked release. */
export function releaseRoot(): string {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'bin', 'cw'))) return folder
    if (folder === dirname(folder)) throw new CwError('BUG', 'the folder that cw runs from has no bin/cw')
  }
}

/**
 * Every file of a release made from a folder, in the order of paths, with the Node that runs this.
 *
 * @throws CwError PREREQUISITE_MISSING where that Node is the machine's own, which other machines need not have
 */
export async function releaseFiles(root: string): Promise<readonly ReleaseFile[]> {
  const runtime = runtimeWithin(root)
  const licence = join(dirname(dirname(runtime)), 'LICENSE')
  const found: ReleaseFile[] = [{ path: RUNTIME, source: runtime, executable: true }]
  if (existsSync(licence)) found.push({ path: 'runtime/LICENSE', source: licence, executable: false })
  for (const shipped of SHIPPED) {
    for (const source of await filesUnder(join(root, shipped))) {
      const path = relative(root, source).split(sep).join('/')
      if (isShipped(path)) found.push({ path, source, executable: EXECUTABLE.includes(path) })
    }
  }
  for (const needed of NEEDED) {
    if (!found.some(each => each.path === needed)) {
      throw new CwError('PREREQUISITE_MISSING', `a release cannot be made without ${needed}`, {
        where: { file: root },
        changed: 'nothing',
        remedies: ['build it: npm run build'],
      })
    }
  }
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** Maps are for developers; names with a dot are the build's own. */
function isShipped(path: string): boolean {
  return !path.endsWith('.map') && !path.split('/').some(part => part.startsWith('.'))
}

function runtimeWithin(root: string): string {
  const runtime = realpathSync(process.execPath)
  if (runtime.startsWith(realpathSync(root) + sep)) return runtime
  throw new CwError('PREREQUISITE_MISSING', 'a release cannot be made with the Node of this machine', {
    why: `cw runs on ${runtime}, and a release brings a Node that works on any host`,
    changed: 'nothing',
    remedies: ['install the one that belongs to cw: npm ci'],
  })
}

async function filesUnder(path: string): Promise<readonly string[]> {
  if (!existsSync(path)) return []
  const entries = await readdir(path, { recursive: true, withFileTypes: true }).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTDIR') return undefined
    throw error
  })
  if (entries === undefined) return [path]
  return entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name))
}

/** SHA-256 of a file, in hex. */
export async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

/**
 * Files of an unpacked release that are not what its manifest says: missing, changed or too many.
 *
 * @throws CwError FILE_INVALID where there is no manifest, as in a checkout
 */
export async function releaseFaults(root = releaseRoot()): Promise<readonly string[]> {
  const { files } = await manifestOf(root)
  const faults: string[] = []
  for (const [path, digest] of Object.entries(files)) {
    const file = join(root, path)
    if (!existsSync(file)) faults.push(`${path} is missing`)
    else if ((await digestOf(file)) !== digest) faults.push(`${path} has changed`)
  }
  for (const file of await filesUnder(root)) {
    const path = relative(root, file).split(sep).join('/')
    const ours = path === MANIFEST || path.startsWith('.')
    if (!ours && !Object.hasOwn(files, path)) faults.push(`${path} does not belong to it`)
  }
  return faults
}

async function manifestOf(root: string): Promise<ReleaseManifest> {
  try {
    return JSON.parse(await readFile(join(root, MANIFEST), 'utf8')) as ReleaseManifest
  } catch (cause) {
    throw new CwError('FILE_INVALID', 'this cw runs from no release that could be checked', {
      where: { file: join(root, MANIFEST) },
      changed: 'nothing',
      cause,
    })
  }
}
