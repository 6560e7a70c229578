import { describe, expect, test } from 'vitest'
import {
  INVITE_CLIENT,
  INVITE_SERVER,
  NON_INVITE_CLIENT,
  NON_INVITE_SERVER,
  type ClientEvent,
  type Machine,
  type ServerEvent,
  type State,
} from './machines.ts'

const STATES: readonly State[] = [
  'calling',
  'trying',
  'proceeding',
  'accepted',
  'completed',
  'confirmed',
  'terminated',
]
const CLIENT_EVENTS: readonly ClientEvent[] = [
  '1xx',
  '2xx',
  'failure',
  'resendDue',
  'timeout',
  'lingerOver',
  'transportError',
]
const SERVER_EVENTS: readonly ServerEvent[] = [
  'request',
  'ack',
  'send1xx',
  'send2xx',
  'sendFailure',
  'resendDue',
  'timeout',
  'lingerOver',
]

/** Given this state, on this event, expect this state and these actions. */
type Row<Event> = readonly [given: State, on: Event, to: State, actions: string]

function holds<Event extends string>(
  machine: Machine<Event>,
  events: readonly Event[],
  rows: readonly Row<Event>[],
): void {
  test.each(rows.map(([given, on, to, actions]) => ({ given, on, to, actions })))(
    '$given: $on leads to $to and does "$actions"',
    ({ given, on, to, actions }) => {
      expect(machine[given]?.[on]).toEqual({ to, do: actions === '' ? [] : actions.split(' ') })
    },
  )

  test('everything else is absorbed', () => {
    const told = new Set(rows.map(([given, on]) => `${given} ${on}`))
    const untold = STATES.flatMap(state => events.map(event => [state, event] as const)).filter(
      ([state, event]) => machine[state]?.[event] !== undefined && !told.has(`${state} ${event}`),
    )
    expect(untold).toEqual([])
  })
}

describe('INVITE client transaction (RFC 3261 figure 5, RFC 6026 §8.4)', () => {
  holds(INVITE_CLIENT, CLIENT_EVENTS, [
    // Timers A and B.
    ['calling', 'resendDue', 'calling', 'resend scheduleResend'],
    ['calling', 'timeout', 'terminated', 'stopTimers tellTimeout'],
    ['calling', 'transportError', 'terminated', 'stopTimers tellTransportError'],
    ['calling', '1xx', 'proceeding', 'stopTimers tell'],
    ['calling', '2xx', 'accepted', 'stopTimers linger tell'],
    ['calling', 'failure', 'completed', 'stopTimers ack linger tell'],
    ['proceeding', '1xx', 'proceeding', 'tell'],
    ['proceeding', '2xx', 'accepted', 'linger tell'],
    ['proceeding', 'failure', 'completed', 'ack linger tell'],
    ['proceeding', 'transportError', 'terminated', 'tellTransportError'],
    // Timer M.
    ['accepted', '2xx', 'accepted', 'tell'],
    ['accepted', 'lingerOver', 'terminated', ''],
    // Timer D.
    ['completed', 'failure', 'completed', 'ack'],
    ['completed', 'lingerOver', 'terminated', ''],
  ])
})

describe('non-INVITE client transaction (RFC 3261 figure 6)', () => {
  holds(NON_INVITE_CLIENT, CLIENT_EVENTS, [
    // Timers E and F.
    ['trying', 'resendDue', 'trying', 'resend scheduleResend'],
    ['trying', 'timeout', 'terminated', 'stopTimers tellTimeout'],
    ['trying', 'transportError', 'terminated', 'stopTimers tellTransportError'],
    ['trying', '1xx', 'proceeding', 'tell'],
    ['trying', '2xx', 'completed', 'stopTimers linger tell'],
    ['trying', 'failure', 'completed', 'stopTimers linger tell'],
    ['proceeding', 'resendDue', 'proceeding', 'resend scheduleResend'],
    ['proceeding', 'timeout', 'terminated', 'stopTimers tellTimeout'],
    ['proceeding', 'transportError', 'terminated', 'stopTimers tellTransportError'],
    ['proceeding', '1xx', 'proceeding', 'tell'],
    ['proceeding', '2xx', 'completed', 'stopTimers linger tell'],
    ['proceeding', 'failure', 'completed', 'stopTimers linger tell'],
    // Timer K.
    ['completed', 'lingerOver', 'terminated', ''],
  ])
})

describe('INVITE server transaction (RFC 3261 figure 7, RFC 6026 §8.1)', () => {
  holds(INVITE_SERVER, SERVER_EVENTS, [
    ['proceeding', 'request', 'proceeding', 'resend'],
    ['proceeding', 'send1xx', 'proceeding', 'send'],
    ['proceeding', 'send2xx', 'accepted', 'send linger'],
    ['proceeding', 'sendFailure', 'completed', 'send scheduleResend startTimeout'],
    // Timer L.
    ['accepted', 'send2xx', 'accepted', 'send'],
    ['accepted', 'ack', 'accepted', 'tellAck'],
    ['accepted', 'lingerOver', 'terminated', ''],
    // Timers G and H.
    ['completed', 'request', 'completed', 'resend'],
    ['completed', 'resendDue', 'completed', 'resend scheduleResend'],
    ['completed', 'ack', 'confirmed', 'stopTimers linger'],
    ['completed', 'timeout', 'terminated', 'stopTimers'],
    // Timer I.
    ['confirmed', 'lingerOver', 'terminated', ''],
  ])
})

describe('non-INVITE server transaction (RFC 3261 figure 8)', () => {
  holds(NON_INVITE_SERVER, SERVER_EVENTS, [
    ['trying', 'send1xx', 'proceeding', 'send'],
    ['trying', 'send2xx', 'completed', 'send linger'],
    ['trying', 'sendFailure', 'completed', 'send linger'],
    ['proceeding', 'request', 'proceeding', 'resend'],
    ['proceeding', 'send1xx', 'proceeding', 'send'],
    ['proceeding', 'send2xx', 'completed', 'send linger'],
    ['proceeding', 'sendFailure', 'completed', 'send linger'],
    // Timer J.
    ['completed', 'request', 'completed', 'resend'],
    ['completed', 'lingerOver', 'terminated', ''],
  ])
})
