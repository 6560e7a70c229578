import { execFile, spawn } from 'node:child_process'
import { constants, createWriteStream, existsSync } from 'node:fs'
import { chmod, copyFile, lstat, mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { createGzip } from 'node:zlib'
import shipped from '../../package.json' with { type: 'json' }
import { CwError } from '../../lib/kit/errors.ts'
import {
  digestOf,
  MANIFEST,
  releaseFiles,
  releaseRoot,
  type ReleaseFile,
  type ReleaseManifest,
} from './bundle-contents.ts'

/** One file that makes a bare host able to run cw and every daemon. */
export interface Bundle {
  readonly file: string
  readonly version: string
  /** As Node names it: `x64`, `arm64`. */
  readonly arch: string
  readonly sha256: string
  readonly bytes: number
  /** False: the one that it replaces held the same bytes. */
  readonly made: boolean
  /** The checkout was built anew: the cw that runs is older than its bundle. */
  readonly rebuilt: boolean
}

const run = promisify(execFile)

/** The time of every entry. A fixed one makes two archives of the same files the same; 1970 makes tar complain. */
const ENTRY_TIME = new Date('2000-01-01T00:00:00Z')

/**
 * Makes `clearwater-<version>-linux-<arch>.tar.gz` in a folder, of the release that this is, or of the checkout, built
 * if a source has changed. The same files give the same bytes. What lies there already is never believed, but replaced:
 * anybody may have put it there.
 *
 * @throws CwError PREREQUISITE_MISSING, FILE_UNREADABLE
 */
export async function makeBundle(folder: string, root = releaseRoot()): Promise<Bundle> {
  const rebuilt = await buildCheckout(root)
  const { version } = shipped
  const { platform, arch } = process
  const files = await releaseFiles(root)
  const manifest: ReleaseManifest = {
    name: 'clearwater',
    version,
    platform,
    arch,
    node: process.version,
    files: Object.fromEntries(
      await Promise.all(files.map(async each => [each.path, await digestOf(each.source)] as const)),
    ),
  }
  const text = `${JSON.stringify(manifest, undefined, 2)}\n`
  const name = `clearwater-${version}`
  const file = join(folder, `${name}-${platform}-${arch}.tar.gz`)
  const before = await digestThere(file)
  const { sha256, bytes } = await pack({ folder, file, name, files, manifest: text })
  return { file, version, arch, sha256, bytes, made: sha256 !== before, rebuilt }
}

/** A checkout may be newer than what was built of it. Tells whether it was. */
async function buildCheckout(root: string): Promise<boolean> {
  const tool = join(root, 'tool', 'run.mjs')
  if (!existsSync(tool)) return false
  try {
    const { stderr } = await run(process.execPath, [tool, 'build'], { cwd: root })
    return stderr.includes('built dist/')
  } catch (cause) {
    throw new CwError('PREREQUISITE_MISSING', 'the checkout cannot be built', {
      where: { file: root },
      changed: 'nothing',
      remedies: ['see why: npm run build'],
      cause,
    })
  }
}

/** Of the file that the bundle replaces; `undefined` where there is none. */
async function digestThere(file: string): Promise<string | undefined> {
  try {
    return (await lstat(file)).isFile() ? await digestOf(file) : undefined
  } catch {
    return undefined
  }
}

interface Packing {
  readonly folder: string
  readonly file: string
  readonly name: string
  readonly files: readonly ReleaseFile[]
  readonly manifest: string
}

/** Archives a copy with the modes of a release; whoever looks at the file's name sees all of it or nothing. */
async function pack({
  folder,
  file,
  name,
  files,
  manifest,
}: Packing): Promise<Pick<Bundle, 'sha256' | 'bytes'>> {
  await mkdir(folder, { recursive: true })
  const work = await mkdtemp(join(folder, '.bundle-'))
  try {
    const top = join(work, name)
    const folders = foldersOf(files.map(each => each.path))
    for (const path of ['', ...folders]) await mkdir(join(top, path), { mode: 0o755 })
    for (const { path, source, executable } of files) {
      await copyFile(source, join(top, path), constants.COPYFILE_FICLONE)
      await chmod(join(top, path), executable ? 0o755 : 0o644)
    }
    await writeFile(join(top, MANIFEST), manifest, { mode: 0o644 })
    const entries = [MANIFEST, ...folders, ...files.map(each => each.path)]
    const packed = join(work, 'bundle')
    await archive(work, [name, ...entries.map(path => `${name}/${path}`)], packed)
    const [sha256, { size: bytes }] = await Promise.all([digestOf(packed), stat(packed)])
    await rename(packed, file)
    return { sha256, bytes }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function archive(folder: string, entries: readonly string[], file: string): Promise<void> {
  const tar = spawn(
    'tar',
    [
      '--create',
      '--format=ustar',
      '--no-recursion',
      '--owner=root:0',
      '--group=root:0',
      '--mode=u=rwX,go=rX',
      `--mtime=@${ENTRY_TIME.getTime() / 1000}`,
      '--verbatim-files-from',
      '--files-from=-',
    ],
    { cwd: folder, stdio: ['pipe', 'pipe', 'pipe'] },
  )
  let complaint = ''
  tar.stderr.setEncoding('utf8').on('data', (piece: string) => {
    complaint = (complaint + piece).slice(-2000)
  })
  const ended = new Promise<number>((resolve, reject) => {
    tar.once('error', reject)
    tar.once('close', code => resolve(code ?? 1))
  })
  tar.stdin.on('error', () => undefined)
  tar.stdin.end(entries.map(entry => `${entry}\n`).join(''))
  const [code] = await Promise.all([
    ended.catch((cause: unknown) => {
      throw new CwError('PREREQUISITE_MISSING', 'tar cannot be run', {
        changed: 'nothing',
        remedies: ['install it: apt-get install tar'],
        cause,
      })
    }),
    pipeline(tar.stdout, createGzip({ level: 6 }), createWriteStream(file)),
  ])
  if (code === 0) return
  throw new CwError('FILE_UNREADABLE', 'the release could not be archived', {
    why: complaint,
    changed: 'nothing',
  })
}

/** Every folder that the files lie in, those outside first. */
function foldersOf(paths: readonly string[]): readonly string[] {
  const folders = new Set<string>()
  for (const path of paths) {
    for (let folder = dirname(path); folder !== '.'; folder = dirname(folder)) folders.add(folder)
  }
  return [...folders].sort()
}
