import { printable } from './printable.ts'

/** What a background load has seen, as it is shown. */
export interface LoadView {
  readonly calls: { readonly tried: number; readonly failed: number }
  readonly established: { readonly ended: number; readonly lost: number }
  readonly registrations: { readonly tried: number; readonly refused: number; readonly unanswered: number }
  readonly longestGapMs: number
  readonly losses: readonly { readonly at: number; readonly what: string; readonly why: string }[]
}

const MOST_LOSSES = 5

/** What users would have noticed, and the first things that went wrong. */
export function formatLoad({ calls, established, registrations, longestGapMs, losses }: LoadView): string {
  const { tried, refused, unanswered } = registrations
  return [
    `calls          ${calls.tried} tried, ${calls.failed} not put through; ` +
      `longest time without one ${(longestGapMs / 1000).toFixed(1)} s`,
    `established    ${established.ended} ended, ${established.lost} of them lost`,
    `registrations  ${tried} tried, ${refused} refused, ${unanswered} without an answer`,
    ...losses
      .slice(0, MOST_LOSSES)
      .map(({ at, what, why }) => printable(`  after ${(at / 1000).toFixed(1)} s  ${what}: ${why}`)),
  ].join('\n')
}
