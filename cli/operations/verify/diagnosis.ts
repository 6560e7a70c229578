import type { Call } from './call.ts'
import type { Registration } from './registration.ts'
import type { Failure } from './report.ts'
import { statusLineOf } from './step.ts'
import type { Answer } from './user-agent.ts'

/** A failure without what other checks have to say on it. */
export type Diagnosis = Omit<Failure, 'suspects'>

/** What a failure status says of the hop behind who answered (the functions' own code, sip.md §4-6). */
const BEHIND: Readonly<Record<number, { readonly to: string; readonly why: string }>> = {
  404: { to: 'homestead', why: 'the subscriber is not known there' },
  480: { to: 'registrations', why: 'no registration of the callee was found' },
  504: { to: 'homestead', why: 'homestead did not answer, or a server behind it' },
}

/** Why an element gave no answer to an OPTIONS of its own; undefined if it gave one that is good. */
export function diagnosePoll(node: string, { final, undeliverable }: Answer): Diagnosis | undefined {
  const hop = `cw → ${node}`
  if (final === undefined) {
    return { hop, why: undeliverable ? `${node} takes no connection` : `${node} never answered` }
  }
  // Any other answer shows that it is at work: it may know itself by another name than we do.
  if (final.status < 500) return undefined
  return { hop, ...answered(node, final), why: `${node} refuses everything at present` }
}

/**
 * Why a registration through a bono that answers by itself failed; undefined if it did not.
 *
 * Only 401 has been made with homestead's help. A proxy sends on no 408 to a REGISTER (RFC 4320): what is silent is
 * silent behind it.
 */
export function diagnoseRegistration(
  node: string,
  { accepted, challenged, last }: Registration,
): Diagnosis | undefined {
  if (accepted) return undefined
  const { final } = last
  if (final === undefined) {
    return last.undeliverable
      ? { hop: `cw → ${node}`, why: `the connection to ${node} broke` }
      : { hop: `${node} → sprout`, why: `${node} answers, and sprout behind it never did` }
  }
  const said = answered(node, final)
  switch (final.status) {
    case 503:
      return { hop: `${node} → sprout`, ...said, why: `${node} cannot reach sprout, or sprout is overloaded` }
    case 480:
    case 504:
      return { hop: 'sprout → homestead', ...said, why: 'sprout got no answer from homestead' }
    case 401:
      return { hop: 'sprout → homestead', ...said, why: 'credentials that were just provisioned are refused' }
    case 403:
    case 404:
      return {
        hop: 'sprout → homestead',
        ...said,
        why: challenged
          ? 'the subscriber may not register'
          : 'the subscriber or its domain is not known there, or another homestead was provisioned',
      }
    default:
      return { hop: `${node} → sprout`, ...said, why: 'sprout refuses to register the subscriber' }
  }
}

export interface CallPlace {
  /** Where the call enters. */
  readonly entry: { readonly node: string; readonly role: 'bono' | 'sprout' }
  /** The bono that the callee has registered through. */
  readonly exit: string
}

/** Why a call was not made; undefined if it was. */
export function diagnoseCall({ entry, exit }: CallPlace, { stage, last }: Call): Diagnosis | undefined {
  const { node, role } = entry
  const core = role === 'sprout' ? node : 'sprout'
  const said = last.final === undefined ? {} : answered(node, last.final)
  switch (stage) {
    case 'done':
      return undefined
    case 'INVITE':
      return { ...diagnoseInvite({ entry, exit }, last), ...said }
    case 'answer':
      return {
        hop: `${exit} → ${core}`,
        ...said,
        why: 'the callee answered, and the caller never heard of it',
      }
    case 'ACK':
      return { hop: `${core} → ${exit}`, ...said, why: 'the ACK did not reach the callee' }
    case 'BYE':
      return { hop: `${core} → ${exit}`, ...said, why: 'the BYE did not reach the callee' }
    case 'end':
      return { hop: `${exit} → ${core}`, ...said, why: 'the answer to BYE did not come back' }
  }
}

/** The INVITE did not reach the callee. */
function diagnoseInvite({ entry, exit }: CallPlace, last: Answer): { hop: string; why: string } {
  const { node, role } = entry
  const core = role === 'sprout' ? node : 'sprout'
  const { final, provisional, undeliverable } = last
  if (undeliverable) return { hop: `cw → ${node}`, why: `${node} takes no connection` }
  if (final === undefined) {
    return provisional.length > 0
      ? {
          hop: role === 'sprout' ? `${node} → ${exit}` : `${node} → sprout`,
          why: `${node} took the INVITE, and nobody behind it answered`,
        }
      : { hop: `cw → ${node}`, why: `${node} never answered` }
  }
  const behind = BEHIND[final.status]
  if (behind !== undefined) {
    return { hop: `${core} → ${behind.to}`, why: behind.why }
  }
  if (final.status === 403) return { hop: `cw → ${node}`, why: 'the caller may not call' }
  return {
    hop: `${core} → ${exit}`,
    why: 'the INVITE got no further: sprout has no way to the callee, or does not serve the domain',
  }
}

function answered(
  node: string,
  final: NonNullable<Answer['final']>,
): { readonly answeredBy: string; readonly answer: string } {
  return { answeredBy: node, answer: statusLineOf(final) }
}
