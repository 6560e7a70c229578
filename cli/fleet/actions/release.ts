import { z } from 'zod'
import { CwError } from '../../../lib/kit/errors.ts'
import { mustScript } from '../ssh/shell.ts'
import { action, type ChangeBase, type Look, type ReleaseArtifact, type Tools } from './action.ts'
import { LINK } from './link.ts'

const RELEASES = '/opt/clearwater/releases'
/** The running release; units start what is behind it. */
export const CURRENT = '/opt/clearwater/current'
/** In a release's folder: the digest of the file it was unpacked from. */
const STAMP = '.artifact'

const UNPACK_DEADLINE_MS = 5 * 60_000
const UPLOAD_DEADLINE_MS = 20 * 60_000

export interface ReleaseChange extends ChangeBase {
  readonly action: 'release'
  readonly version: string
  readonly sha256: string
  /** Where it will lie. */
  readonly folder: string
  /** It lies there already; only the link has to move. */
  readonly unpacked: boolean
}

/** Unpacked beside its place and moved there when whole. Neither success nor failure leaves anything else on the disk. */
const UNPACK = String.raw`
archive=$1; folder=$2; sha=$3
set -e
trap 'rm -rf "$folder.new" "$archive"' EXIT
trap 'exit 1' HUP INT TERM
echo "$sha  $archive" | sha256sum --check --quiet
rm -rf "$folder.new"
mkdir -p "$folder.new"
tar -xzf "$archive" -C "$folder.new" --strip-components=1 --no-same-owner
echo "$sha" > "$folder.new/.artifact"
sync -f "$folder.new"
rm -rf "$folder"
mv -T "$folder.new" "$folder"
`

/** Our code with its runtime, unpacked beside the releases before it; `current` points to it. */
export const release = action<Record<string, never>, ReleaseChange>({
  schema: z.strictObject({}),
  probes: (_params, { release: artifact }) => [
    { ask: 'path', subject: CURRENT },
    ...foldersOf(artifact).map(folder => ({ ask: 'content' as const, subject: `${folder}/${STAMP}` })),
  ],
  changes(_params, look) {
    const artifact = look.release
    if (artifact === undefined) return []
    requireArch(artifact, look)
    look.wanted.set(CURRENT, artifact.sha256)
    const [usual = '', other = ''] = foldersOf(artifact)
    const stampOf = (folder: string): string | undefined => look.facts.content(`${folder}/${STAMP}`)?.trim()
    const unpacked = [usual, other].find(folder => stampOf(folder) === artifact.sha256)
    // A version that was built anew lies beside its namesake: what runs goes on loading its own files.
    const folder = unpacked ?? (stampOf(usual) === undefined ? usual : other)
    const found = look.facts.path(CURRENT)
    const current = found.is === 'link' && found.target === folder
    if (unpacked !== undefined && current) return []
    const { version, sha256 } = artifact
    const summary = `${unpacked === undefined ? 'install' : 'switch to'} release ${version}`
    return [{ action: 'release', summary, version, sha256, folder, unpacked: unpacked !== undefined }]
  },
  carryOut: install,
  announced: (_change, manifest) =>
    manifest.links.includes(CURRENT) ? manifest : { ...manifest, links: [...manifest.links, CURRENT] },
})

async function install({ folder, sha256, unpacked }: ReleaseChange, tools: Tools): Promise<void> {
  const { shell, signal } = tools
  if (!unpacked) {
    const archive = `${folder}.tar.gz`
    await mustScript(shell, 'making the release folder', 'mkdir -p "$1"', [RELEASES], { sudo: true, signal })
    if (tools.release === undefined) throw new CwError('BUG', 'the release to install is not at hand')
    await shell.upload(tools.release.file, archive, {
      mode: 0o600,
      sudo: true,
      signal,
      deadlineMs: UPLOAD_DEADLINE_MS,
    })
    await mustScript(shell, 'unpacking the release', UNPACK, [archive, folder, sha256], {
      sudo: true,
      signal,
      deadlineMs: UNPACK_DEADLINE_MS,
    })
  }
  await mustScript(shell, 'switching the release', LINK, [CURRENT, folder], { sudo: true, signal })
}

function foldersOf(artifact: ReleaseArtifact | undefined): readonly string[] {
  if (artifact === undefined) return []
  const folder = `${RELEASES}/${artifact.version}`
  return [folder, `${folder}+${artifact.sha256.slice(0, 8)}`]
}

const MACHINES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' }

function requireArch({ arch, file }: ReleaseArtifact, { node, facts }: Look): void {
  if (MACHINES[arch] === facts.host.machine) return
  throw new CwError('RELEASE_UNFIT', `the release is for ${arch}, and ${node} is ${facts.host.machine}`, {
    where: { host: node, file },
    changed: 'nothing',
    remedies: [`make one there, or for it: cw bundle`],
  })
}
