import { z } from 'zod'
import { CwError } from '../../../lib/kit/errors.ts'
import { mustScript, type NodeShell } from '../ssh/shell.ts'
import { action, type ChangeBase, type InstalledRelease, type Look, type ReleaseArtifact, type Tools } from './action.ts' // prettier-ignore
import { LINK } from './link.ts'

const RELEASES = '/opt/clearwater/releases'
/** The running release; units start what is behind it. */
export const CURRENT = '/opt/clearwater/current'
/** The one that ran before it, to go back to. */
const PREVIOUS = '/opt/clearwater/previous'
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
  /** To a release that ran here before. */
  readonly back?: true
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

/** The two last releases stay, and whatever still runs. Who goes back does so since the other one is no good. */
const SWITCH = String.raw`
set -e
link() { ${LINK}; }
current=$1; folder=$2; previous=$3; releases=$4; back=$5
before=$(readlink -f "$current" || true)
if [ "$back" = yes ]; then rm -f "$previous"
elif [ -d "$before" ] && [ "$before" != "$folder" ]; then link "$previous" "$before"; fi
link "$current" "$folder"
kept=$(readlink -f "$previous" || true)
for each in "$releases"/*; do
  [ -d "$each" ] && [ "$each" != "$folder" ] && [ "$each" != "$kept" ] || continue
  if ls -l /proc/[0-9]*/exe 2>/dev/null | grep -qF -- "-> $each/"; then continue; fi
  rm -rf -- "$each"
done
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
    const { version, sha256, file } = artifact
    const back = file === undefined ? { back: true as const } : {}
    const verb = file === undefined ? 'go back to' : unpacked === undefined ? 'install' : 'switch to'
    const summary = `${verb} release ${version}`
    return [
      { action: 'release', summary, version, sha256, folder, unpacked: unpacked !== undefined, ...back },
    ]
  },
  carryOut: install,
  announced: (_change, manifest) =>
    manifest.links.includes(CURRENT) ? manifest : { ...manifest, links: [...manifest.links, CURRENT] },
})

async function install({ folder, sha256, unpacked, back }: ReleaseChange, tools: Tools): Promise<void> {
  const { shell, signal } = tools
  if (!unpacked) {
    const archive = `${folder}.tar.gz`
    const file = tools.release?.file
    if (file === undefined) throw notThere(folder, shell.node)
    await mustScript(shell, 'making the release folder', 'mkdir -p "$1"', [RELEASES], { sudo: true, signal })
    await shell.upload(file, archive, {
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
  const places = [CURRENT, folder, PREVIOUS, RELEASES, back === true ? 'yes' : 'no']
  await mustScript(shell, 'switching the release', SWITCH, places, { sudo: true, signal })
}

/** What a node runs, and what it ran before. */
export interface NodeReleases {
  readonly current?: InstalledRelease
  readonly previous?: InstalledRelease
}

const LOOK = String.raw`
for name in "$@"; do
  folder=$(readlink -f "$name") && [ -f "$folder/.artifact" ] || { echo -; continue; }
  field() { sed -n "s/^  \"$1\": \"\(.*\)\",\$/\1/p;/\"files\"/q" "$folder/manifest.json"; }
  echo "$(field version) $(field arch) $(cat "$folder/.artifact")"
done
`

/** Which releases a node has. @throws CwError NODE_UNREACHABLE, COMMAND_FAILED */
export async function releasesOn(shell: NodeShell): Promise<NodeReleases> {
  const { stdout } = await mustScript(shell, 'looking at releases', LOOK, [CURRENT, PREVIOUS], {
    idempotent: true,
  })
  const [current, previous] = stdout.split('\n').map(installedIn)
  return {
    ...(current === undefined ? {} : { current }),
    ...(previous === undefined ? {} : { previous }),
  }
}

function installedIn(line: string): InstalledRelease | undefined {
  const [, version, arch, sha256] = /^([\w.+-]+) (\w+) ([0-9a-f]{64})$/.exec(line) ?? []
  if (version === undefined || arch === undefined || sha256 === undefined) return undefined
  return { version, arch, sha256 }
}

function notThere(folder: string, node: string): CwError {
  return new CwError('RELEASE_UNFIT', `${node} does not have the release any more that it is to go back to`, {
    where: { host: node, file: folder },
    changed: 'nothing',
    remedies: ['put it there from its file: cw upgrade FILE'],
  })
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
    where: { host: node, ...(file === undefined ? {} : { file }) },
    changed: 'nothing',
    remedies: [`make one there, or for it: cw bundle`],
  })
}
