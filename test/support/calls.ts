import type { Core } from './core.ts'
import { dialogOfCaller, Phone, sdp, type Dialog } from './phone.ts'
import { readSip, statusOf, valuesOf, type SipText } from './sip-text.ts'
import { subscriber } from './subscribers.ts'
import { openTcp, openUdp, openWebSocket, type Wire } from './wire.ts'

/** A phone of this subscriber, connected to the core's client port but not registered. */
export async function phoneAt(
  core: Pick<Core, 'port'>,
  user: string,
  transport: Wire['token'] = 'UDP',
): Promise<Phone> {
  return new Phone(subscriber(user), await wireTo(core, transport))
}

/** A phone that has registered; fails if the core did not let it. */
export async function registeredPhone(
  core: Pick<Core, 'port'>,
  user: string,
  transport: Wire['token'] = 'UDP',
): Promise<Phone> {
  const phone = await phoneAt(core, user, transport)
  const answer = await phone.register()
  if (statusOf(answer) === 200) return phone
  await phone[Symbol.asyncDispose]()
  throw new Error(`${user} could not register: ${answer.raw}`)
}

async function wireTo(core: Pick<Core, 'port'>, transport: Wire['token']): Promise<Wire> {
  if (transport === 'UDP') return await openUdp(core.port('client'))
  if (transport === 'TCP') return await openTcp(core.port('client'))
  return await openWebSocket(core.port('webSocket'))
}

export interface Call {
  readonly dialog: Dialog
  /** The INVITE as the callee got it, and its answer as the caller got it. */
  readonly invite: SipText
  readonly answer: SipText
  /** The callee's own answer, as sent. */
  readonly sentAnswer: SipText
}

export interface CallOptions {
  /** Whatever else comes in is not meant, such as a request of an earlier call that comes late. */
  readonly exactly?: boolean
}

/** Sets up a call: INVITE, 180, 200, ACK, each seen at the other end. */
export async function callBetween(
  caller: Phone,
  callee: Phone,
  { exactly = false }: CallOptions = {},
): Promise<Call> {
  const sent = caller.invite(callee.aor)
  const invite = await callee.request('INVITE', exactly ? sent : undefined)
  callee.reply(invite, 180)
  await caller.response(sent, 180)
  const body = sdp(callee.wire.local)
  const sentAnswer = callee.reply(invite, 200, { headers: [['Content-Type', 'application/sdp']], body })
  const answer = await caller.response(sent)
  if (statusOf(answer) !== 200) throw new Error(`the call was not answered: ${answer.raw}`)
  caller.ack(sent, answer)
  await callee.request('ACK', exactly ? sent : undefined)
  return { dialog: dialogOfCaller(sent, answer), invite, answer, sentAnswer }
}

/** One whole call, hung up by the caller. */
export async function callAndHangUp(caller: Phone, callee: Phone, options: CallOptions = {}): Promise<void> {
  const { dialog } = await callBetween(caller, callee, options)
  const bye = caller.inDialog('BYE', dialog)
  callee.reply(await callee.request('BYE', options.exactly === true ? bye : undefined), 200)
  const answer = await caller.response(bye)
  if (statusOf(answer) !== 200) throw new Error(`BYE was answered ${answer.startLine}`)
}

/** The contacts a 200 to REGISTER lists, one string each. */
export function contactsIn(answer: SipText): string[] {
  return valuesOf(readSip(answer.raw), 'contact').flatMap(line => line.split(/,\s*(?=<)/))
}
