import { isIPv6 } from 'node:net'
import { z } from 'zod'
import { CwError } from '../../../lib/kit/errors.ts'
import { OBSERVE_SCRIPT } from '../playbook/probe.ts'
import { action, type ChangeBase, type Look, type Tools } from './action.ts'

interface Params {
  readonly title: string
  readonly port: number
  readonly path: string
  readonly seconds: number
}

export interface WaitChange extends ChangeBase {
  readonly action: 'wait-until'
  readonly title: string
  readonly url: string
  readonly seconds: number
}

const INTERVAL_S = '0.5'
/** Asks as when observing, until the answer is 200 or the deadline has passed. */
const WAIT = `
end=$(($(date +%s) + $1)); url=$2; script=$3; interval=$4
while :; do
  answer=$(sh -c "$script" sh http "$url" | sed -n 's/^cw-fact 0 //p')
  [ "$answer" = 200 ] && exit 0
  [ "$(date +%s)" -ge "$end" ] && { echo "$answer"; exit 9; }
  sleep "$interval"
done
`

/** Waits until a health page of the node answers 200, with a deadline. Looks first, so a healthy node waits for nothing. */
export const waitUntil = action<Params, WaitChange>({
  schema: z.strictObject({
    title: z.string(),
    port: z.int().min(1).max(65535),
    path: z.string().startsWith('/').default('/health'),
    seconds: z.int().min(1).max(600).default(60),
  }),
  probes: (params, node) => [{ ask: 'http', subject: urlOf(params, node) }],
  changes(params, look) {
    const url = urlOf(params, look)
    if (!look.changing && look.facts.http(url) === 200) return []
    const { title, seconds } = params
    return [{ action: 'wait-until', summary: `wait until ${title}`, title, url, seconds }]
  },
  carryOut: waitForHealth,
})

async function waitForHealth({ url, seconds, title }: WaitChange, { shell, signal }: Tools): Promise<void> {
  const result = await shell.script(WAIT, [String(seconds), url, OBSERVE_SCRIPT, INTERVAL_S], {
    deadlineMs: (seconds + 30) * 1000,
    signal,
  })
  if (result.code === 0) return
  const answer = result.stdout.trim()
  throw new CwError('NOT_HEALTHY', `${shell.node}: not within ${seconds} s: ${title}`, {
    where: { host: shell.node, address: url },
    why: /^\d+$/.test(answer) ? `it answers with status ${answer}` : 'nothing answers there',
    changed: 'some',
    remedies: [`cw logs ${shell.node} --since 5m`, 'mend it, then: cw resume'],
  })
}

function urlOf({ port, path }: Params, { address }: Pick<Look, 'address'>): string {
  return `http://${isIPv6(address) ? `[${address}]` : address}:${port}${path}`
}
