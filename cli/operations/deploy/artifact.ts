import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { z } from 'zod'
import { CwError } from '../../../lib/kit/errors.ts'
import type { ReleaseArtifact } from '../../fleet/actions/action.ts'
import { makeBundle } from '../bundle.ts'

const MOST_MANIFEST_BYTES = 8 * 1024 * 1024
const manifestSchema = z.object({ version: z.string().regex(/^[\w.+-]+$/), arch: z.string() })

/**
 * The release to put on nodes: the given file, or one made of this very `cw` and kept in the operator's cache.
 *
 * @throws RELEASE_UNFIT if the file is none, PREREQUISITE_MISSING if none can be made
 */
export async function releaseArtifact(file: string | undefined): Promise<ReleaseArtifact> {
  if (file === undefined) return ownRelease()
  try {
    const run = promisify(execFile)
    const args = ['--extract', '--to-stdout', '--gzip', '--wildcards', '--occurrence=1', '--file', file]
    const { stdout } = await run('tar', [...args, 'clearwater-*/manifest.json'], {
      maxBuffer: MOST_MANIFEST_BYTES,
    })
    const { version, arch } = manifestSchema.parse(JSON.parse(stdout))
    return { file, version, arch, sha256: await digestOf(file) }
  } catch (cause) {
    throw new CwError('RELEASE_UNFIT', 'the file is no release', {
      where: { file },
      changed: 'nothing',
      remedies: ['make one: cw bundle'],
      cause,
    })
  }
}

/**
 * The file of a release: a path, or a version whose bundle lies in the working folder or in the operator's cache.
 *
 * @throws CwError RELEASE_UNFIT where there is no such file
 */
export function releaseFile(fileOrVersion: string): string {
  if (/[/]|\.tar\.gz$/.test(fileOrVersion) || existsSync(fileOrVersion)) return resolve(fileOrVersion)
  const name = `clearwater-${fileOrVersion}-${process.platform}-${process.arch}.tar.gz`
  const places = [resolve(name), join(cacheFolder(), name)]
  const found = places.find(existsSync)
  if (found !== undefined) return found
  throw new CwError('RELEASE_UNFIT', `there is no release ${fileOrVersion} on this machine`, {
    why: `it would be ${places.join(' or ')}`,
    changed: 'nothing',
    remedies: ['name its file: cw upgrade FILE', 'make one of what runs here: cw bundle'],
  })
}

async function ownRelease(): Promise<ReleaseArtifact> {
  const { rebuilt, ...release } = await makeBundle(cacheFolder())
  if (!rebuilt) return release
  // What runs here would carry out the playbooks of its successor, and looks for parts of itself that are gone.
  throw new CwError('PREREQUISITE_MISSING', 'cw has changed since it was built, and was built anew', {
    why: 'this run is still of the old one',
    changed: 'nothing',
    remedies: ['run the same command again'],
  })
}

function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'clearwater')
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}
