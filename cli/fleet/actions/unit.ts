import { z } from 'zod'
import { CwError } from '../../../lib/kit/errors.ts'
import { sha256Of } from '../playbook/digest.ts'
import { action, type ChangeBase, type Tools } from './action.ts'
import { absolutePath, unitName } from './params.ts'

/** A unit that is not ready by then has failed; etcd waits here for its quorum. */
const START_DEADLINE_MS = 180_000

interface Params {
  readonly name: string
  readonly state: 'running' | 'off'
  /** Files and links whose change takes a restart. */
  readonly on: readonly string[]
  /** Those for whose change a reload will do. */
  readonly reload: readonly string[]
}

export interface UnitChange extends ChangeBase {
  readonly action: 'unit'
  readonly name: string
  readonly verb: 'start' | 'restart' | 'reload' | 'stop'
  /** What it runs on, as the manifest will remember. */
  readonly fingerprint: string
  /** It ran when there was nothing of ours on the node yet. */
  readonly ranBefore?: true
}

const START = `
systemctl daemon-reload && systemctl reset-failed "$2" 2>/dev/null
systemctl enable --quiet "$2" && systemctl "$1" "$2"
`
const STOP = 'systemctl disable --quiet --now "$1"'
const TELL = 'systemctl --no-pager --lines=0 status "$1"; journalctl --no-pager -o cat -n 25 -u "$1"'

/**
 * A systemd unit that is enabled and runs on what is deployed now, or one that is off. Whether it runs on it is told by
 * the manifest, not by times: a run that is killed between a file and its restart restarts the next time.
 */
export const unit = action<Params, UnitChange>({
  schema: z.strictObject({
    name: unitName,
    state: z.enum(['running', 'off']).default('running'),
    on: z.array(absolutePath).default([]),
    reload: z.array(absolutePath).default([]),
  }),
  probes: ({ name }) => [{ ask: 'unit', subject: name }],
  changes({ name, state, on, reload }, { facts, manifest, wanted, changing }) {
    const found = facts.unit(name)
    if (state === 'off') {
      // A package that is installed in the same step brings it along, enabled.
      if (!found.active && !found.enabled && !changing) return []
      const stop = {
        action: 'unit' as const,
        summary: `stop and disable ${name}`,
        name,
        verb: 'stop' as const,
      }
      // What our package brings along does not run: somebody needs this.
      return [
        {
          ...stop,
          fingerprint: '',
          ...(found.active ? { drift: { path: name, kind: 'running' as const } } : {}),
        },
      ]
    }
    const digestOf = (paths: readonly string[]): string =>
      sha256Of(paths.map(path => `${path} ${wanted.get(path) ?? '-'}\n`).join(''))
    const base = digestOf(on)
    const fingerprint = reload.length === 0 ? base : `${base} ${digestOf(reload)}`
    const last = manifest.units[name]
    if (found.active && found.enabled && last === fingerprint) return []
    const running = reload.length > 0 && last?.split(' ')[0] === base ? 'reload' : 'restart'
    const verb = found.active ? running : 'start'
    const serves = verb === 'restart' && name.startsWith('clearwater-') && last !== undefined
    return [
      {
        action: 'unit',
        summary: `${verb} ${name}`,
        name,
        verb,
        fingerprint,
        ...(found.active && last === undefined ? { ranBefore: true } : {}),
        ...(serves ? { alone: true } : {}),
      },
    ]
  },
  carryOut: carryOutUnit,
  announced: ({ name, ranBefore }, manifest) =>
    ranBefore === undefined || manifest.ranBefore.includes(name)
      ? manifest
      : { ...manifest, ranBefore: [...manifest.ranBefore, name] },
  recorded({ name, verb, fingerprint }, manifest) {
    const { [name]: _gone, ...others } = manifest.units
    return { ...manifest, units: verb === 'stop' ? others : { ...others, [name]: fingerprint } }
  },
})

async function carryOutUnit({ name, verb }: UnitChange, { shell, signal }: Tools): Promise<void> {
  const options = { sudo: true, signal, deadlineMs: START_DEADLINE_MS }
  const result =
    verb === 'stop'
      ? await shell.script(STOP, [name], options)
      : await shell.script(START, [verb, name], options)
  if (result.code === 0) return
  const told = await shell.script(TELL, [name], { sudo: true, signal })
  throw new CwError('UNIT_FAILED', `${name} did not ${verb} on ${shell.node}`, {
    where: { host: shell.node },
    why: tellingLines(told.stdout) || tellingLines(result.stderr) || `systemctl ended with ${result.code}`,
    changed: 'some',
    remedies: [`cw logs ${shell.node} --since 5m`, 'mend it, then: cw resume'],
  })
}

/** What it said of errors, else the last it said. systemd's own words come after and tell the least. */
function tellingLines(text: string): string {
  const lines = text.trim().split('\n')
  const errors = lines.filter(line => /\b(error|fatal|panic|denied)\b/i.test(line))
  return (errors.length > 0 ? errors.slice(-2) : lines.slice(-4)).join(' / ').slice(0, 500)
}
