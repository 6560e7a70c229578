import { z } from 'zod'
import { DAEMONS, healthPortOf, unitOf } from '../../../lib/config/deployment/daemons.ts'
import { jsonObject } from '../../../lib/http/message.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { CASSANDRA_DATA, CASSANDRA_UNIT } from './cassandra-member.ts'
import type { Manifest } from '../playbook/manifest.ts'
import { succeeded } from '../ssh/shell.ts'
import { action, type ChangeBase, type DrainLimits, type Tools } from './action.ts'
import { unitName } from './params.ts'

interface Params {
  /** Units that go now: these, or all others. */
  readonly only?: readonly string[] | undefined
  readonly except?: readonly string[] | undefined
  /** How long one that serves is waited for until it has nobody left, in seconds; then it is stopped all the same. */
  readonly drain: number
}

export interface RetireChange extends ChangeBase {
  readonly action: 'retire'
  readonly unit: string
  /** Its unit file, where we have put it there. */
  readonly file?: string
  /** Absent: it is stopped at once. */
  readonly drain?: DrainLimits
  /** Where it says whom it still has. */
  readonly address: string
}

/** The file goes last but for the record: a run that is killed between them does both again. */
const RETIRE = String.raw`
given=
# What a node of Cassandra has goes to the others first, and is of no use to it any more.
if [ "$1" = "$3" ] && systemctl is-active --quiet "$1"; then nodetool decommission --force || exit 1; given=yes; fi
# Whoever drains ends by itself, and is not to be started again for that. Without this file it drains no more.
drop="$9/drain.conf"
ask='exec 3<>"/dev/tcp/$1/$2" && printf "GET /status HTTP/1.0\r\nHost: %s\r\n\r\n" "$1" >&3 && tail -n 1 <&3'
if [ "$5" -gt 0 ] && systemctl is-active --quiet "$1"; then
  mkdir -p "$9" && printf '[Service]\nRestart=no\n' > "$drop"
  systemctl daemon-reload && systemctl kill --kill-who=main -s QUIT "$1"
  end=$(($(date +%s) + $5)); next=0
  while systemctl is-active --quiet "$1"; do
    [ -f "$drop" ] || exit 76
    now=$(date +%s)
    if [ "$now" -ge "$next" ]; then
      next=$((now + 5))
      echo "cw-left $(timeout 3 bash -c "$ask" sh "$7" "$8" 2>/dev/null)"
    fi
    if [ "$now" -ge "$end" ]; then
      [ "$6" = drop ] && break
      if [ "$6" = abort ]; then
        rm -rf -- "$9"; systemctl daemon-reload
        systemctl kill --kill-who=main -s USR1 "$1"
        exit 77
      fi
    fi
    sleep 0.5
  done
fi
if systemctl cat "$1" >/dev/null 2>&1; then systemctl disable --quiet --now "$1" || exit 1; fi
[ -z "$given" ] || find "$4" -mindepth 1 -delete || exit 1
[ -z "$2" ] || rm -f -- "$2"
rm -rf -- "$9"
systemctl daemon-reload
`

/** Takes away the units of roles that a node had once and has no more; their data and logs stay. */
export const retire = action<Params, RetireChange>({
  schema: z.strictObject({
    only: z.array(unitName).optional(),
    except: z.array(unitName).optional(),
    drain: z.int().min(0).max(3600).default(0),
  }),
  probes: () => [],
  changes({ only, except = [], drain }, { retired: all, manifest, cassandra, node, address, drain: given }) {
    const retired = all.filter(unit => (only === undefined || only.includes(unit)) && !except.includes(unit))
    if (retired.includes(CASSANDRA_UNIT) && !cassandra.stays) throw subscribersLost(node)
    const limits = drain === 0 ? undefined : (given ?? { seconds: drain, then: 'drop' as const })
    return retired.map(unit => {
      const file = `/etc/systemd/system/${unit}`
      return {
        action: 'retire',
        summary: `${limits === undefined ? '' : 'drain, '}stop and disable ${unit} (role removed)`,
        ...{ unit, address },
        ...(manifest.files[file] === undefined ? {} : { file }),
        ...(limits === undefined ? {} : { drain: limits }),
      }
    })
  },
  carryOut: takeAway,
  recorded: ({ unit, file }, manifest): Manifest => ({
    ...manifest,
    units: without(manifest.units, unit),
    files: file === undefined ? manifest.files : without(manifest.files, file),
  }),
})

/** Gone with a boot. */
export const RUNTIME_UNITS = '/run/systemd/system'
/** Longer than anybody waits who has said that he waits. */
const WAIT_FOR_EVER_MS = 24 * 3600_000
const TAKEN_BACK = 76
const GIVEN_UP = 77

async function takeAway({ unit, file = '', drain, address }: RetireChange, tools: Tools): Promise<void> {
  const { shell, signal, tell } = tools
  const { seconds, then } = drain ?? { seconds: 0, then: 'drop' }
  const daemon = DAEMONS.find(each => unitOf(each) === unit)
  const port = daemon === undefined ? 0 : healthPortOf(daemon)
  const folder = `${RUNTIME_UNITS}/${unit}.d`
  const args = [
    unit,
    file,
    CASSANDRA_UNIT,
    CASSANDRA_DATA,
    String(seconds),
    then,
    address,
    String(port),
    folder,
  ]
  const result = await shell.script(RETIRE, args, {
    ...{ sudo: true, signal },
    deadlineMs: then === 'wait' ? WAIT_FOR_EVER_MS : 600_000 + seconds * 1000,
    onLine: line => {
      const left = leftIn(line)
      if (left !== undefined) tell(left)
    },
  })
  const { node } = shell
  if (result.code !== TAKEN_BACK && result.code !== GIVEN_UP) {
    succeeded(node, `stopping ${unit}`, result)
    return
  }
  const why =
    result.code === TAKEN_BACK ? 'somebody took it back' : `it still served somebody after ${seconds} s`
  throw new CwError('DRAIN_ENDED', `${unit} on ${node} serves again`, {
    where: { host: node },
    why,
    changed: 'some',
    remedies: ['say that it stays: cw scale', 'or that it goes all the same: cw resume'],
  })
}

/** Whom a daemon that drains still has, in words, by its status page. */
function leftIn(line: string): string | undefined {
  if (!line.startsWith('cw-left ')) return undefined
  const status = jsonObject(line.slice('cw-left '.length))
  if (status === undefined) return undefined
  const { clients, openRequests } = status
  const open = Object.values((openRequests ?? {}) as Readonly<Record<string, unknown>>)
    .map(Number)
    .reduce((sum, each) => sum + each, 0)
  const parts = [
    ...(typeof clients === 'number' && clients > 0 ? [`${clients} telephones`] : []),
    `${open} open requests`,
  ]
  return `still has ${parts.join(', ')}`
}

function subscribersLost(node: string): CwError {
  return new CwError('OPTION_INVALID', 'the subscribers are in the Cassandra of several homesteads', {
    where: { host: node },
    why: 'a homestead that is left alone would keep subscribers itself, and have none',
    changed: 'nothing',
    remedies: ['leave the role homestead on at least two nodes'],
  })
}

function without<V>(all: Readonly<Record<string, V>>, gone: string): Record<string, V> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => name !== gone))
}
