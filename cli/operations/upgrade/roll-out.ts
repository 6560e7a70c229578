import { CwError } from '../../../lib/kit/errors.ts'
import type { ReleaseArtifact } from '../../fleet/actions/action.ts'
import type { OperationReport } from '../deploy/operate.ts'
import { attemptsBetween, type LoadFigures } from '../prove/figures.ts'

/** A node that is to run another release. */
export interface Move {
  readonly node: string
  readonly to: ReleaseArtifact
  /** Where it goes back to if it does not serve. Absent: it stays as it is. */
  readonly from?: ReleaseArtifact
  readonly isCanary: boolean
}

export type MoveState = 'begins' | 'is watched' | 'is done' | 'goes back' | 'is back'

/** What the roll-out does to the deployment, and what it asks it. */
export interface RollOutParts {
  /** Makes one node what the deployment file says, with this release. */
  readonly deploy: (node: string, release: ReleaseArtifact) => Promise<OperationReport>
  /** Why the service is not given; undefined if it is. */
  readonly verify: () => Promise<string | undefined>
  /** What users notice; undefined: nobody watches. */
  readonly figures: () => LoadFigures | undefined
  readonly pause: (milliseconds: number) => Promise<void>
}

export interface RollOutRequest {
  readonly moves: readonly Move[]
  /** How long a node is watched before the next one's turn, in milliseconds. */
  readonly soakMs: number
  /** Ends it between two nodes. */
  readonly signal: AbortSignal
  readonly onMove: (move: Move, state: MoveState) => void
}

export interface RollOutReport {
  readonly done: readonly string[]
  /** The one that did not serve. */
  readonly returned?: { readonly node: string; readonly why: string; readonly isBack: boolean }
  readonly left: readonly string[]
  readonly error?: CwError
}

/** How long is watched before the first node's turn: what is lost then is not for the release. */
const MOST_BASELINE_MS = 10_000
/** One attempt that happens to fail says nothing, and no more does a small share. */
const FEWEST_FAILURES = 3
const MORE_BY = 0.05

/**
 * Gives nodes another release, one after the other. After each one the service has to be given as before: by its health
 * pages, by calls through every node, and by what a background load loses. Who does not give it goes back, and the
 * others stay as they are.
 */
export async function rollOut(request: RollOutRequest, parts: RollOutParts): Promise<RollOutReport> {
  const { moves, soakMs, signal, onMove } = request
  const done: string[] = []
  const left = (): readonly string[] => moves.slice(done.length).map(({ node }) => node)
  const before = await watch(Math.min(soakMs, MOST_BASELINE_MS), parts)
  for (const move of moves) {
    if (signal.aborted) return { done, left: left(), error: interrupted(left()) }
    onMove(move, 'begins')
    const why = await gate(move, before, request, parts)
    // What is broken off has said nothing of the release.
    if (why !== undefined && isOver(signal)) return { done, left: left(), error: interrupted(left()) }
    if (why !== undefined) {
      const isBack = await giveBack(move, request, parts)
      const returned = { node: move.node, why, isBack }
      return {
        done,
        returned,
        left: left().slice(1),
        error: returnedError(move, returned, done, left().slice(1)),
      }
    }
    onMove(move, 'is done')
    done.push(move.node)
  }
  return { done, left: [] }
}

/** Gives the node its release. @returns why it does not serve; undefined if it does */
async function gate(
  move: Move,
  before: Watched | undefined,
  { soakMs, onMove }: RollOutRequest,
  parts: RollOutParts,
): Promise<string | undefined> {
  const report = await parts.deploy(move.node, move.to)
  if (report.error !== undefined)
    return [report.error.message, report.error.detail.why].filter(Boolean).join(': ')
  const why = await parts.verify()
  if (why !== undefined) return why
  if (soakMs > 0) onMove(move, 'is watched')
  const after = await watch(soakMs, parts)
  return before === undefined || after === undefined ? undefined : worse(before, after)
}

/** Asked again: it may have become so while something was awaited. */
function isOver(signal: AbortSignal): boolean {
  return signal.aborted
}

interface Watched {
  readonly tried: number
  readonly failed: number
}

async function watch(milliseconds: number, { figures, pause }: RollOutParts): Promise<Watched | undefined> {
  const from = figures()
  await pause(milliseconds)
  const to = figures()
  if (from === undefined || to === undefined) return undefined
  return attemptsBetween(from, to)
}

/** @returns in words, if more fails than did before */
function worse(before: Watched, after: Watched): string | undefined {
  if (after.failed < FEWEST_FAILURES || shareOf(after) <= shareOf(before) + MORE_BY) return undefined
  const words = ({ tried, failed }: Watched): string => `${failed} of ${tried}`
  return `${words(after)} calls and registrations failed since, and ${words(before)} before`
}

function shareOf({ tried, failed }: Watched): number {
  return tried === 0 ? 0 : failed / tried
}

async function giveBack(move: Move, { onMove }: RollOutRequest, parts: RollOutParts): Promise<boolean> {
  if (move.from === undefined) return false
  onMove(move, 'goes back')
  const report = await parts.deploy(move.node, move.from)
  if (report.error !== undefined) return false
  onMove(move, 'is back')
  return true
}

function returnedError(
  { to, from }: Move,
  { node, why, isBack }: NonNullable<RollOutReport['returned']>,
  done: readonly string[],
  left: readonly string[],
): CwError {
  const stands = [
    ...(done.length === 0 ? [] : [`${to.version} is on ${done.join(', ')}`]),
    ...(left.length === 0 ? [] : [`${left.join(', ')} ${left.length === 1 ? 'was' : 'were'} not touched`]),
  ]
  const message = isBack
    ? `${node} did not serve with ${to.version}, and is back on ${from?.version ?? ''}`
    : `${node} does not serve with ${to.version}, and could not go back`
  return new CwError('UPGRADE_RETURNED', message, {
    where: { host: node },
    why: [why, ...stands].join('\n'),
    changed: 'some',
    remedies: [
      `see what it said: cw logs --node ${node} --since 10m`,
      ...(done.length === 0 ? [] : ['have the others go back too: cw rollback']),
      ...(isBack ? [] : [`see how it is: cw status`]),
    ],
  })
}

function interrupted(left: readonly string[]): CwError {
  return new CwError('INTERRUPTED', `ended before ${left.join(', ')}`, {
    changed: 'some',
    remedies: ['go on: the same command again', 'or have those that were done go back: cw rollback'],
  })
}
