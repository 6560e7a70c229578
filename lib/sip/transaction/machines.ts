/**
 * The four transaction machines of RFC 3261 §17 with the corrections of RFC 6026, as tables.
 *
 * A row says: in this state, on this event, go there and do that. What is not in the table is absorbed. The tables
 * hold no time and no sockets; `ClientTransaction` and `ServerTransaction` perform the actions.
 */

export type State =
  'calling' | 'trying' | 'proceeding' | 'accepted' | 'completed' | 'confirmed' | 'terminated'

export type ClientEvent =
  | '1xx'
  | '2xx'
  /** 300 to 699. */
  | 'failure'
  /** Timer A or E. */
  | 'resendDue'
  /** Timer B or F. */
  | 'timeout'
  /** Timer D, K or M. */
  | 'lingerOver'
  | 'transportError'

export type ServerEvent =
  /** The request again. */
  | 'request'
  | 'ack'
  /** The function answers. */
  | 'send1xx'
  | 'send2xx'
  | 'sendFailure'
  /** Timer G. */
  | 'resendDue'
  /** Timer H. */
  | 'timeout'
  /** Timer I, J or L. */
  | 'lingerOver'

export type Action =
  | 'send'
  | 'resend'
  | 'ack'
  | 'tell'
  | 'tellTimeout'
  | 'tellTransportError'
  | 'tellAck'
  | 'scheduleResend'
  /** Start timer B, F or H: the peer must have answered by then. */
  | 'startTimeout'
  | 'stopTimers'
  /** Start timer D, I, J, K, L or M: absorb repetitions for a while. */
  | 'linger'

export interface Step {
  readonly to: State
  readonly do: readonly Action[]
}

export type Machine<Event extends string> = Readonly<
  Partial<Record<State, Readonly<Partial<Record<Event, Step>>>>>
>

const go = (to: State, ...actions: Action[]): Step => ({ to, do: actions })

/** What a client transaction does when it is made. */
export const CLIENT_START: readonly Action[] = ['send', 'scheduleResend', 'startTimeout']

/** RFC 3261 §17.1.1 (figure 5) with the Accepted state of RFC 6026 §8.4. */
export const INVITE_CLIENT: Machine<ClientEvent> = {
  calling: {
    resendDue: go('calling', 'resend', 'scheduleResend'),
    timeout: go('terminated', 'stopTimers', 'tellTimeout'),
    transportError: go('terminated', 'stopTimers', 'tellTransportError'),
    '1xx': go('proceeding', 'stopTimers', 'tell'),
    '2xx': go('accepted', 'stopTimers', 'linger', 'tell'),
    failure: go('completed', 'stopTimers', 'ack', 'linger', 'tell'),
  },
  proceeding: {
    '1xx': go('proceeding', 'tell'),
    '2xx': go('accepted', 'linger', 'tell'),
    failure: go('completed', 'ack', 'linger', 'tell'),
    transportError: go('terminated', 'tellTransportError'),
  },
  accepted: {
    // A repeated 2xx, or that of another branch downstream, is the function's to pass on.
    '2xx': go('accepted', 'tell'),
    lingerOver: go('terminated'),
  },
  completed: {
    failure: go('completed', 'ack'),
    lingerOver: go('terminated'),
  },
}

/** RFC 3261 §17.1.2 (figure 6). */
export const NON_INVITE_CLIENT: Machine<ClientEvent> = {
  trying: {
    resendDue: go('trying', 'resend', 'scheduleResend'),
    timeout: go('terminated', 'stopTimers', 'tellTimeout'),
    transportError: go('terminated', 'stopTimers', 'tellTransportError'),
    '1xx': go('proceeding', 'tell'),
    '2xx': go('completed', 'stopTimers', 'linger', 'tell'),
    failure: go('completed', 'stopTimers', 'linger', 'tell'),
  },
  proceeding: {
    resendDue: go('proceeding', 'resend', 'scheduleResend'),
    timeout: go('terminated', 'stopTimers', 'tellTimeout'),
    transportError: go('terminated', 'stopTimers', 'tellTransportError'),
    '1xx': go('proceeding', 'tell'),
    '2xx': go('completed', 'stopTimers', 'linger', 'tell'),
    failure: go('completed', 'stopTimers', 'linger', 'tell'),
  },
  completed: {
    lingerOver: go('terminated'),
  },
}

/** RFC 3261 §17.2.1 (figure 7) with the Accepted state of RFC 6026 §8.1. */
export const INVITE_SERVER: Machine<ServerEvent> = {
  proceeding: {
    request: go('proceeding', 'resend'),
    send1xx: go('proceeding', 'send'),
    send2xx: go('accepted', 'send', 'linger'),
    sendFailure: go('completed', 'send', 'scheduleResend', 'startTimeout'),
  },
  accepted: {
    // The 2xx is repeated end to end by the callee; this transaction only absorbs the INVITE.
    send2xx: go('accepted', 'send'),
    ack: go('accepted', 'tellAck'),
    lingerOver: go('terminated'),
  },
  completed: {
    request: go('completed', 'resend'),
    resendDue: go('completed', 'resend', 'scheduleResend'),
    ack: go('confirmed', 'stopTimers', 'linger'),
    timeout: go('terminated', 'stopTimers'),
  },
  confirmed: {
    lingerOver: go('terminated'),
  },
}

/** RFC 3261 §17.2.2 (figure 8). */
export const NON_INVITE_SERVER: Machine<ServerEvent> = {
  trying: {
    send1xx: go('proceeding', 'send'),
    send2xx: go('completed', 'send', 'linger'),
    sendFailure: go('completed', 'send', 'linger'),
  },
  proceeding: {
    request: go('proceeding', 'resend'),
    send1xx: go('proceeding', 'send'),
    send2xx: go('completed', 'send', 'linger'),
    sendFailure: go('completed', 'send', 'linger'),
  },
  completed: {
    request: go('completed', 'resend'),
    lingerOver: go('terminated'),
  },
}
