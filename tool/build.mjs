// Bundles the command and the daemons behind it into dist/: one entry, code split where an import is lazy.
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { ROOT } from './runtime.mjs'
import { thirdPartyText } from './third-party.mjs'

export const ENTRY = 'dist/main.js'

/** As in bin/cw: a new space of 16 MiB keeps a core of 100,000 registered phones below 8 kB each. */
export const NODE_FLAGS = ['--max-semi-space-size=16']

const SOURCES = ['cli', 'daemons', 'lib', 'tool', 'package.json', 'package-lock.json']

/**
 * What is asked for only if it is there: natives of ws and of ssh2, and what oclif would compile a developer's plugins
 * with. A bundle does not depend on whether a compiler was there when the packages were installed.
 */
const EXTERNAL = ['bufferutil', 'utf-8-validate', 'cpu-features', '*.node', 'typescript', 'ts-node', 'tsx']

/** Builds if a source is newer than the bundle. Returns whether it built. */
export async function buildIfChanged() {
  const stampFile = join(ROOT, 'dist', '.sources')
  const stamp = fingerprint()
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return false

  const { build } = await import('esbuild')
  // Built beside and swapped in, so that a running core or a second build never sees half a bundle.
  const fresh = join(ROOT, 'dist', `.new-${process.pid}`)
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { main: 'cli/main.ts', commands: 'cli/commands.ts' },
    outdir: fresh,
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    external: EXTERNAL,
    metafile: true,
    sourcemap: true,
    sourcesContent: false,
    legalComments: 'none',
    chunkNames: 'chunk/[name]-[hash]',
    define: {
      'process.env.CLEARWATER_BUNDLED': '"1"',
      // Asked for by CommonJS packages as they load.
      __dirname: 'import.meta.dirname',
    },
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  })
  writeFileSync(join(fresh, 'THIRD-PARTY.txt'), thirdPartyText(ROOT, Object.keys(metafile.inputs)))
  swapIn(fresh)
  writeFileSync(stampFile, stamp)
  return true
}

/** First what entries import, then the entries, then what no longer belongs: the bundle is whole at each moment. */
function swapIn(fresh) {
  const dist = join(ROOT, 'dist')
  const made = filesUnder(fresh)
  for (const file of made.toSorted((a, b) => depth(b) - depth(a))) {
    mkdirSync(dirname(join(dist, file)), { recursive: true })
    renameSync(join(fresh, file), join(dist, file))
  }
  rmSync(fresh, { recursive: true })
  const kept = new Set(made)
  for (const file of filesUnder(dist)) {
    if (!file.startsWith('.new-') && !kept.has(file)) rmSync(join(dist, file), { force: true })
  }
}

function filesUnder(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter(entry => entry.isFile())
    .map(entry => relative(folder, join(entry.parentPath, entry.name)))
}

const depth = file => file.split(sep).length

/** Names, sizes and times of all sources: cheap, and different after any edit or checkout. */
function fingerprint() {
  const hash = createHash('sha256')
  for (const source of SOURCES) visit(join(ROOT, source), hash)
  return hash.digest('hex')
}

function visit(path, hash) {
  const stat = statSync(path)
  if (!stat.isDirectory()) {
    if (!path.endsWith('.test.ts')) hash.update(`${path}\0${stat.size}\0${stat.mtimeMs}\n`)
    return
  }
  for (const name of readdirSync(path).sort()) visit(join(path, name), hash)
}
