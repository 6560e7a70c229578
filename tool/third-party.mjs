// The licences of what is bundled: each package of which code got in, with the texts that it brings along.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const TEXTS = /^(licen[cs]e|copying|notice)/i
const RULE = '-'.repeat(78)

/**
 * @param inputs files of the bundle, relative to `root`, as esbuild's metafile names them
 * @returns the text of dist/THIRD-PARTY.txt, the same for the same packages
 */
export function thirdPartyText(root, inputs) {
  const folders = new Set(inputs.flatMap(input => folderOf(input) ?? []))
  const packages = [...folders].map(folder => packageIn(root, folder))
  // One version may lie at several places.
  const each = new Map(packages.map(found => [`${found.name} ${found.version}`, found]))
  const sections = [...each]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([title, found]) => sectionOf(title, found))
  return `${HEAD}\n${sections.join('\n')}`
}

const HEAD = `Clearwater contains code of others. The licence of Node.js is runtime/LICENSE of a release; the npm packages
whose code is in dist/ and their licences follow.
`

function folderOf(input) {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(input)?.[0]
}

function packageIn(root, folder) {
  const path = join(root, folder)
  const { name, version, license, licenses } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'))
  const files = readdirSync(path).filter(file => TEXTS.test(file) && !/\.[cm]?[jt]s$/.test(file))
  const texts = files.toSorted().map(file => readFileSync(join(path, file), 'utf8').trim())
  // As packages said it before there was `license`.
  const said = license ?? licenses?.map(({ type }) => type).join(' OR ')
  if (typeof said !== 'string') throw new Error(`${name} ${version} does not say its licence`)
  return { name, version, license: said, texts }
}

function sectionOf(title, { license, texts }) {
  const told = texts.length === 0 ? ['(The package brings no text of its licence along.)'] : texts
  return [RULE, `${title} (${license})`, RULE, '', told.join('\n\n'), ''].join('\n')
}
