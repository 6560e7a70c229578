import { daemonsOf, unitOf } from '../../../lib/config/deployment/daemons.ts'
import type { Deployment, DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import { OBSERVE_SCRIPT } from '../../fleet/playbook/probe.ts'
import type { NodeShell, RunResult } from '../../fleet/ssh/shell.ts'
import type { Shells } from '../shells.ts'

/** What a fake node answers with: whole, bare, gone; or which of its daemons is in which state. */
export type FakeNode = 'well' | 'bare' | 'gone' | Readonly<Record<string, string>>

/** Shells of nodes that are well, but for those named. They answer what `cw status` asks, from memory. */
export function fakeShells(deployment: Deployment, fakes: Readonly<Record<string, FakeNode>> = {}): Shells {
  return {
    shell: name => {
      const node = deployment.nodes.find(each => each.name === name)
      if (node === undefined) throw new TypeError(`there is no node ${name}`)
      return fakeShell(name, fakes[name] ?? 'well', whole => statusAnswer(deployment, node, whole))
    },
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** Shells of hosts on which there is nothing yet, as `cw deploy` finds them. */
export function bareShells(deployment: Deployment): readonly NodeShell[] {
  return deployment.nodes.map(({ name }) =>
    fakeShell(name, 'bare', (_fake, text, args) => {
      if (text !== OBSERVE_SCRIPT) throw new TypeError('a bare host only knows what is on it')
      return bareAnswer(args)
    }),
  )
}

type Answer = (fake: Exclude<FakeNode, 'gone'>, text: string, args: readonly string[]) => string

function fakeShell(node: string, fake: FakeNode, answer: Answer): NodeShell {
  const script = async (text: string, args: readonly string[] = []): Promise<RunResult> => {
    if (fake === 'gone') throw new CwError('NODE_UNREACHABLE', `${node} cannot be reached`)
    return { code: 0, stdout: answer(fake, text, args), stderr: '' }
  }
  const refuse = (): never => {
    throw new TypeError('a fake node runs scripts only')
  }
  return {
    ...{ node, script, run: async () => script('') },
    ...{ read: refuse, write: refuse, upload: refuse, forward: refuse },
    close: async () => undefined,
  }
}

/** Of daemons whose units are active; `not well` is one whose health page says no. */
const ANSWERS: Readonly<Record<string, string>> = {
  active: 'HTTP/1.1 200 OK\r\n\r\n{"status":"ok","version":"1.0.0"}',
  'not well': 'HTTP/1.1 503 Service Unavailable\r\n\r\n{"status":"failing","version":"1.0.0"}',
}

function statusAnswer(deployment: Deployment, node: DeploymentNode, fake: Exclude<FakeNode, 'gone'>): string {
  const lines = [`cw-fact time ${Date.now()}`, 'cw-fact disk 1000 600']
  if (fake !== 'bare') {
    lines.push('cw-fact release 1.0.0', 'cw-fact manifest lab')
    for (const daemon of daemonsOf(node, deployment)) {
      const state = typeof fake === 'string' ? 'active' : (fake[daemon] ?? 'active')
      const answer = ANSWERS[state] ?? ''
      lines.push(
        `cw-unit Id=${unitOf(daemon)}`,
        'cw-unit LoadState=loaded',
        `cw-unit ActiveState=${state in ANSWERS ? 'active' : state}`,
      )
      lines.push('cw-unit ', `cw-fact health ${unitOf(daemon)} ${Buffer.from(answer).toString('base64')}`)
    }
  }
  return [...lines, 'cw-fact end', ''].join('\n')
}

const NOTHING: Readonly<Record<string, string>> = {
  path: 'absent',
  content: 'absent',
  certificate: 'absent',
  package: 'absent',
  unit: 'LoadState=not-found ActiveState=inactive UnitFileState=',
  account: 'absent',
  http: 'silent',
  guard: 'no',
}

/** Answers to the questions in the order in which they came: there is nothing of it. */
function bareAnswer(args: readonly string[]): string {
  const lines = ['cw-fact host debian 12 x86_64']
  for (let at = 0; at < args.length;) {
    const [ask = '', subject = ''] = args.slice(at, at + 2)
    lines.push(`cw-fact ${lines.length - 1} ${NOTHING[ask] ?? ''}`)
    at += 2 + (ask === 'guard' ? Number(subject) : 0)
  }
  return [...lines, 'cw-fact end', ''].join('\n')
}
