/**
 * Every error code of the project, with who erred. A code is stable: scripts and operators may rely on it.
 *
 * `input`: the caller's words or file; `environment`: this machine; `peer`: another process; `bug`: us.
 */
export const ERROR_CODES = {
  USAGE: 'input',
  FILE_UNREADABLE: 'input',
  FILE_INVALID: 'input',
  NUMBER_RANGE_INVALID: 'input',
  SUBSCRIBER_EXISTS: 'input',
  SUBSCRIBER_UNKNOWN: 'input',
  SUBSCRIBERS_FAILED: 'peer',
  IMPORT_INCOMPLETE: 'input',
  INTERRUPTED: 'input',
  NOT_CONFIRMED: 'input',
  OPTION_INVALID: 'input',
  PORT_IN_USE: 'environment',
  PORT_NOT_PERMITTED: 'environment',
  ADDRESS_NOT_LOCAL: 'environment',
  DATA_DIR_UNUSABLE: 'environment',
  DATA_DIR_LOCKED: 'environment',
  NOT_READY: 'environment',
  STORE_FAILED: 'environment',
  STORE_UNFIT: 'environment',
  PREREQUISITE_MISSING: 'environment',
  NODE_UNREACHABLE: 'peer',
  HOST_KEY_UNKNOWN: 'input',
  HOST_KEY_CHANGED: 'peer',
  SSH_AUTH_FAILED: 'input',
  SUDO_REFUSED: 'peer',
  COMMAND_FAILED: 'peer',
  COMMAND_DEADLINE: 'peer',
  SERVICE_UNREACHABLE: 'peer',
  SERVICE_ERROR: 'peer',
  ETCD_UNAVAILABLE: 'peer',
  ETCD_REFUSED: 'peer',
  ETCD_LOST: 'peer',
  AUTHORITY_LOST: 'peer',
  VALUE_TOO_LARGE: 'input',
  CONFIG_CONFLICT: 'input',
  CONFIG_REBUILD: 'input',
  ROLLOUT_FAILED: 'environment',
  ROLLOUT_PENDING: 'environment',
  LOCKED: 'environment',
  DIFFERENCES: 'environment',
  DRIFT_FOUND: 'input',
  NODE_TAKEN: 'input',
  NODE_ALIVE: 'input',
  NOT_IN_SYNC: 'input',
  RELEASE_UNFIT: 'input',
  RELEASE_DAMAGED: 'environment',
  PACKAGES_FAILED: 'environment',
  UNIT_FAILED: 'environment',
  NOT_HEALTHY: 'environment',
  OPERATION_INCOMPLETE: 'environment',
  OPERATION_UNKNOWN: 'input',
  CHECK_FAILED: 'environment',
  SERVICE_NOT_GIVEN: 'peer',
  PROOF_IMPOSSIBLE: 'peer',
  DNS_UNREACHABLE: 'peer',
  DNS_REFUSED: 'peer',
  UPGRADE_RETURNED: 'environment',
  DRAIN_ENDED: 'environment',
  BUG: 'bug',
} as const satisfies Record<string, Fault>

export type Fault = 'input' | 'environment' | 'peer' | 'bug'
export type ErrorCode = keyof typeof ERROR_CODES

/** Exit codes of every `cw` command (docs/cli.md). */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  differences: 3,
  checkSaysNo: 4,
  partlyDone: 5,
  locked: 6,
  unreachable: 7,
  refused: 8,
  deadline: 9,
  bug: 10,
} as const

export interface ErrorDetail {
  /** The file, host, line or address the error is about. */
  readonly where?: {
    readonly host?: string
    readonly file?: string
    readonly line?: number
    readonly address?: string
  }
  /** Why it happened, one sentence, if the cause's own message does not say it. */
  readonly why?: string
  /** What has been changed before it happened: may the operator simply run it again? */
  readonly changed?: 'nothing' | 'some'
  /** Commands or edits that help, most likely first. */
  readonly remedies?: readonly string[]
  readonly cause?: unknown
}

/**
 * An error as its reader needs it: a stable code, one sentence, where, why, what has been changed, what to do next.
 *
 * Thrown for what the caller could not plan for; expected outcomes of a question are return values instead.
 */
export class CwError extends Error {
  readonly code: ErrorCode
  readonly detail: ErrorDetail

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.name = 'CwError'
    this.code = code
    this.detail = detail
  }

  get fault(): Fault {
    return ERROR_CODES[this.code]
  }

  /** The exit code a `cw` command ends with when this error reaches it. */
  get exitCode(): number {
    switch (this.code) {
      case 'USAGE':
      case 'FILE_UNREADABLE':
      case 'FILE_INVALID':
      case 'NUMBER_RANGE_INVALID':
      case 'OPTION_INVALID':
      case 'VALUE_TOO_LARGE':
        return EXIT.usage
      case 'IMPORT_INCOMPLETE':
      case 'INTERRUPTED':
      case 'OPERATION_INCOMPLETE':
      case 'UPGRADE_RETURNED':
        return EXIT.partlyDone
      case 'SERVICE_UNREACHABLE':
      case 'DNS_UNREACHABLE':
      case 'ETCD_UNAVAILABLE':
      case 'NODE_UNREACHABLE':
      case 'SSH_AUTH_FAILED':
        return EXIT.unreachable
      case 'NOT_CONFIRMED':
      case 'CONFIG_REBUILD':
      case 'HOST_KEY_UNKNOWN':
      case 'HOST_KEY_CHANGED':
      case 'SUDO_REFUSED':
      case 'DRIFT_FOUND':
      case 'NODE_TAKEN':
      case 'NODE_ALIVE':
      case 'NOT_IN_SYNC':
      case 'ETCD_LOST':
      case 'AUTHORITY_LOST':
        return EXIT.refused
      case 'COMMAND_DEADLINE':
      case 'ROLLOUT_PENDING':
        return EXIT.deadline
      case 'DATA_DIR_LOCKED':
      case 'LOCKED':
        return EXIT.locked
      case 'DIFFERENCES':
        return EXIT.differences
      case 'RELEASE_DAMAGED':
      case 'SERVICE_NOT_GIVEN':
      case 'PROOF_IMPOSSIBLE':
      case 'CHECK_FAILED':
        return EXIT.checkSaysNo
      case 'BUG':
        return EXIT.bug
      default:
        return EXIT.failed
    }
  }
}
