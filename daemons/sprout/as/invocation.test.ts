import { expect, test } from 'vitest'
import { sipRequest, TestExchange } from '../../../lib/ims/testing.ts'
import { H } from '../../../lib/sip/header-names.ts'
import { openCore } from '../testing.ts'
import { Invocation } from './invocation.ts'

const OWN = '<sip:mmtel.sprout.example.com;lr;target=sip:carol%40example.com;dialog_id=d1>'
const BACK = '<sip:odi_x@127.0.0.1:5054;lr;service=scscf>'

function invoke(method: string, ...lines: string[]) {
  const { core, sender } = openCore()
  const exchange = new TestExchange(sipRequest(method, 'sip:bob@example.com', lines))
  const isOwn = ({ host }: { host: string }): boolean => host === 'mmtel.sprout.example.com'
  return { invocation: new Invocation('mmtel', exchange, isOwn, core), exchange, sender }
}

test('the server’s Route is off the request and shows what the filter criterion gave it', () => {
  const { invocation } = invoke('INVITE', `Route: ${OWN}, ${BACK}`)
  expect(invocation.uri?.params).toContain(';target=sip:carol%40example.com')
  expect(invocation.dialogId).toBe('d1')
  expect(invocation.request.headers.list(H.Route)).toEqual([BACK])
  expect(invocation.user).toBeUndefined()
})

test('a Route that names another function of this node stays', () => {
  const { invocation } = invoke('INVITE', `Route: ${BACK}`)
  expect(invocation.uri).toBeUndefined()
  expect(invocation.request.headers.list(H.Route)).toEqual([BACK])
})

test('a request that is passed goes by what is left of the Routes, an ACK too, and its answers come back', async () => {
  const { invocation, exchange, sender } = invoke('INVITE', `Route: ${OWN}, ${BACK}`)
  await invocation.pass()
  expect(sender.only.to).toBe('sip:odi_x@127.0.0.1:5054;lr;service=scscf')
  expect(exchange.statuses).toEqual([200])

  const ack = invoke('ACK', `Route: ${OWN}, ${BACK}`)
  await ack.invocation.pass()
  expect(ack.sender.acks).toHaveLength(1)
})

test('a failure of what was forwarded is the server’s to pass on', async () => {
  const { invocation, exchange, sender } = invoke('INVITE', `Route: ${OWN}, ${BACK}`)
  sender.farSide = sent => sent.answer(486)
  const { response } = await invocation.forward([invocation.request, invocation.request])
  expect(response.status).toBe(486)
  expect(sender.sent).toHaveLength(2)
  expect(exchange.statuses).toEqual([])
})

test('a server that stays in the dialog puts its name and the dialog’s into Record-Route', () => {
  const { invocation } = invoke('INVITE', `Route: ${OWN}, ${BACK}`)
  const staying = invocation.inDialog(invocation.request, 'abc')
  expect(staying.headers.top(H['Record-Route'])).toBe(
    '<sip:mmtel.sprout.example.com:5055;transport=TCP;lr;dialog_id=abc>',
  )
})
