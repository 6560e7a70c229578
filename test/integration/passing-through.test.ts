import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { callBetween, registeredPhone } from '../support/calls.ts'
import { Core } from '../support/core.ts'
import { dialogOfCallee, type Phone } from '../support/phone.ts'
import { statusOf, valueOf, valuesOf, type SipText } from '../support/sip-text.ts'
import { provision, subscriber } from '../support/subscribers.ts'

let core: Core
let caller: Phone
let callee: Phone

beforeAll(async () => {
  core = await Core.start()
  for (const user of ['alice', 'bob']) await provision(core.port('provisioning'), subscriber(user))
  caller = await registeredPhone(core, 'alice', 'TCP')
  callee = await registeredPhone(core, 'bob', 'TCP')
})
afterAll(async () => {
  await caller[Symbol.asyncDispose]()
  await callee[Symbol.asyncDispose]()
  await core[Symbol.asyncDispose]()
})

/** Headers of an INVITE that are between the phones: the specification, the name, a value. */
const OF_REQUESTS = [
  ['RFC 3261', 'Subject', 'lunch'],
  ['RFC 3261', 'Alert-Info', '<http://www.example.com/sounds/moo.wav>'],
  ['RFC 3261', 'X-Of-Nobody', 'as it is;  spaces, and "all"'],
  ['RFC 3262', 'Supported', '100rel'],
  ['RFC 3891', 'Replaces', '98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff'],
  ['RFC 3892', 'Referred-By', '<sip:referror@example.com>;cid="20398823.2UWQFN309shb3@referror.example"'],
  ['RFC 3911', 'Join', '12adf2f34456gs5;to-tag=12345;from-tag=54321'],
  ['RFC 3959', 'Content-Disposition', 'early-session'],
  ['RFC 4488', 'Refer-Sub', 'false'],
  ['RFC 4538', 'Target-Dialog', 'fa77as7dad8-sd98ajzz@host.example.com;local-tag=kkaz-;remote-tag=6544'],
  ['RFC 5318', 'P-Refused-URI-List', '<cid:an3bt8jf03@example.com>'],
  ['RFC 5360', 'Trigger-Consent', 'sip:123@relay.example.com;target-uri="sip:friend@example.com"'],
  ['RFC 5373', 'Answer-Mode', 'Auto;require'],
  ['RFC 5373', 'Priv-Answer-Mode', 'Manual'],
  ['RFC 5768', 'Supported', 'ice'],
  ['RFC 4483', 'Call-Info', '<cid:alice@example.com>;purpose=icon'],
  ['RFC 4119, RFC 6442', 'Geolocation', '<cid:target123@atlanta.example.com>'],
  ['RFC 6442', 'Geolocation-Routing', 'yes'],
  ['RFC 6809', 'Feature-Caps', '*;+g.3gpp.srvcc'],
  ['RFC 4244, RFC 7044', 'History-Info', '<sip:bob@ims.test>;index=1'],
  [
    'RFC 7433, RFC 7434',
    'User-to-User',
    '56a390f3d2b7310023a2;encoding=hex;purpose=isdn-uui;content=isdn-uui',
  ],
  ['RFC 7462', 'Alert-Info', '<urn:alert:service:call-waiting>'],
] as const

const OF_ANSWERS = [
  ['RFC 4964', 'P-Answer-State', 'Unconfirmed'],
  ['RFC 5360', 'Permission-Missing', 'userC@example.com'],
  ['RFC 6432', 'Reason', 'Q.850;cause=16;text="Terminated"'],
  ['RFC 6809', 'Feature-Caps', '*;+g.3gpp.atcf'],
  ['RFC 4244, RFC 7044', 'History-Info', '<sip:bob@ims.test>;index=1'],
  [
    'RFC 7433, RFC 7434',
    'User-to-User',
    '56a390f3d2b7310023a2;encoding=hex;purpose=isdn-uui;content=isdn-uui',
  ],
] as const

/** SDP with what its extensions write into it, line by line (manual §8.48.4). */
const SDP_LINES = [
  ['RFC 4566', 'v=0'],
  ['RFC 4566', 'o=- 20518 0 IN IP4 203.0.113.1'],
  ['RFC 4566', 's=-'],
  ['RFC 4566', 'c=IN IP4 203.0.113.1'],
  ['RFC 4566', 't=0 0'],
  ['RFC 3524', 'a=group:SRF 1 2'],
  ['RFC 3388', 'a=group:LS 1 2'],
  ['RFC 5245', 'a=ice-ufrag:8hhY'],
  ['RFC 6871', 'a=csup:med-v0'],
  ['RFC 7006', 'a=ccap:1 IN IP4 203.0.113.2'],
  ['RFC 4567', 'a=key-mgmt:mikey AQAFgM0XflABAAAAAAAAAAAAAAsAyO'],
  ['RFC 6043', 'a=key-mgmt:mikey DgQAAAAAAAAAAAAAAAsAyO'],
  ['RFC 3551', 'm=audio 54400 RTP/SAVPF 0 96'],
  ['RFC 3388', 'a=mid:1'],
  ['RFC 3556', 'b=RS:800'],
  ['RFC 3556', 'b=RR:2400'],
  ['RFC 3890', 'b=TIAS:50780'],
  ['RFC 3312', 'a=curr:qos local none'],
  ['RFC 3312', 'a=des:qos mandatory local sendrecv'],
  ['RFC 4032', 'a=des:qos failure remote sendrecv'],
  ['RFC 3711', 'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj'],
  ['RFC 4568', 'a=crypto:2 F8_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:4'],
  ['RFC 4585', 'a=rtcp-fb:* nack'],
  ['RFC 5104', 'a=rtcp-fb:96 ccm fir'],
  ['RFC 6679', 'a=ecn-capable-rtp: rtp; ect=0'],
  ['RFC 5939', 'a=tcap:1 RTP/SAVPF'],
  ['RFC 5939', 'a=pcfg:1 t=1'],
  ['RFC 5245', 'a=candidate:1 1 UDP 2130706431 203.0.113.141 8998 typ host'],
  ['RFC 5389', 'a=candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998'],
  ['RFC 5766', 'a=candidate:3 1 UDP 16777215 192.0.2.4 50000 typ relay raddr 192.0.2.3 rport 45664'],
  ['RFC 6544', 'a=candidate:4 1 TCP 2105458943 192.0.2.1 9 typ host tcptype active'],
  ['RFC 4583', 'm=application 50000 TCP/BFCP *'],
  ['RFC 4583', 'a=floorctrl:c-s'],
  ['RFC 4975', 'm=message 7654 TCP/MSRP *'],
  ['RFC 4975', 'a=path:msrp://198.51.100.1:7654/jshA7weztas;tcp'],
  ['RFC 5547', 'a=file-selector:name:"picture.jpg" type:image/jpeg size:4092'],
  ['RFC 4117', 'm=text 40000 RTP/AVP 97'],
  ['RFC 7195', 'm=audio 9 PSTN -'],
  ['RFC 7195', 'c=PSTN E164 +441134960123'],
  ['RFC 7195', 'a=cs-correlation:callerid:+441134960123'],
] as const

const SDP = SDP_LINES.map(([, line]) => `${line}\r\n`).join('')

describe('a call', () => {
  let invite: SipText
  let ringing: SipText
  let answer: SipText

  beforeAll(async () => {
    const sent = caller.invite(callee.aor, {
      headers: [...OF_REQUESTS.map(([, name, value]) => [name, value] as const)],
      body: SDP,
    })
    invite = await callee.request('INVITE')
    const headers = OF_ANSWERS.map(([, name, value]) => [name, value] as const)
    const reliable = [['Require', '100rel'] as const, ['RSeq', '988789'] as const]
    callee.reply(invite, 183, { headers: [...headers, ...reliable] })
    ringing = await caller.response(sent, 183)
    callee.reply(invite, 200, { headers: [['Content-Type', 'application/sdp'], ...headers], body: SDP })
    answer = await caller.response(sent)
    caller.ack(sent, answer)
    await callee.request('ACK')
  })

  test.for(OF_REQUESTS)('%s: %s reaches the callee as it is', ([, name, value]) => {
    expect(valuesOf(invite, name)).toContain(value)
  })

  test.for(OF_ANSWERS)('%s: %s reaches the caller as it is, in 183 and 200', ([, name, value]) => {
    expect(valuesOf(ringing, name)).toContain(value)
    expect(valuesOf(answer, name)).toContain(value)
  })

  test('RFC 3262: a reliable provisional response keeps what makes it one', () => {
    expect(valueOf(ringing, 'require')).toBe('100rel')
    expect(valueOf(ringing, 'rseq')).toBe('988789')
  })

  test.for(SDP_LINES)('%s: %s stays in offer and answer', ([, line]) => {
    expect(invite.body.split('\r\n')).toContain(line)
    expect(answer.body.split('\r\n')).toContain(line)
  })

  test('RFC 3264: offer and answer arrive to the last octet', () => {
    expect(invite.body).toBe(SDP)
    expect(answer.body).toBe(SDP)
  })
})

/** Requests between phones that have no call: the specifications they are of, and what they carry. */
const ALONE = [
  ['RFC 3428', 'MESSAGE', [['Content-Type', 'text/plain']], 'lunch at noon?'],
  ['RFC 3862, RFC 5438', 'MESSAGE', [['Content-Type', 'message/cpim']], 'From: <im:a@b>\r\n\r\nhello'],
  ['RFC 4240, RFC 5552', 'OPTIONS', [['Accept', 'application/sdp']], ''],
  ['RFC 5365', 'MESSAGE', [['Require', 'recipient-list-message']], 'lists'],
  ['RFC 5366', 'INVITE', [['Content-Type', 'application/resource-lists+xml']], '<resource-lists/>'],
  ['RFC 3515, RFC 5368', 'REFER', [['Refer-To', '<cid:cn35t8jf02@example.com>']], '<resource-lists/>'],
  ['RFC 3265, RFC 6665, RFC 3842', 'SUBSCRIBE', [['Event', 'message-summary']], ''],
  ['RFC 3856', 'SUBSCRIBE', [['Event', 'presence']], ''],
  ['RFC 3857', 'SUBSCRIBE', [['Event', 'presence.winfo']], ''],
  [
    'RFC 3903',
    'PUBLISH',
    [
      ['Event', 'presence'],
      ['SIP-If-Match', 'dx200xyz'],
    ],
    '<presence/>',
  ],
  ['RFC 4235', 'SUBSCRIBE', [['Event', 'dialog;include-session-description']], ''],
  ['RFC 4354', 'PUBLISH', [['Event', 'poc-settings']], '<poc-settings/>'],
  ['RFC 4575', 'SUBSCRIBE', [['Event', 'conference']], ''],
  [
    'RFC 4662, RFC 5367',
    'SUBSCRIBE',
    [
      ['Event', 'presence'],
      ['Require', 'recipient-list-subscribe'],
    ],
    'lists',
  ],
] as const

describe('a request outside of calls', () => {
  test.for(ALONE)('%s: %s with %j', async ([, method, headers, body]) => {
    const sent = caller.send(method, callee.aor, { headers, body })
    const arrived = await callee.request(method)
    callee.reply(arrived, 202, { headers: [['SIP-ETag', 'kwj449x']] })
    const answer = await caller.response(sent)
    if (method === 'INVITE') caller.ack(sent, answer)

    for (const [name, value] of headers) expect(valuesOf(arrived, name)).toContain(value)
    expect(arrived.body).toBe(body)
    expect(statusOf(answer)).toBe(202)
    expect(valueOf(answer, 'sip-etag')).toBe('kwj449x')
  })
})

/** Requests inside a call. */
const INSIDE = [
  ['RFC 3262', 'PRACK', [['RAck', '776656 1 INVITE']], ''],
  ['RFC 3311', 'UPDATE', [['Content-Type', 'application/sdp']], SDP],
  [
    'RFC 3420, RFC 3515',
    'NOTIFY',
    [
      ['Event', 'refer'],
      ['Content-Type', 'message/sipfrag'],
    ],
    'SIP/2.0 200 OK',
  ],
  [
    'RFC 3515, RFC 3892',
    'REFER',
    [
      ['Refer-To', '<sip:carol@ims.test?Replaces=a%40b>'],
      ['Referred-By', '<sip:alice@ims.test>'],
    ],
    '',
  ],
  [
    'RFC 6086',
    'INFO',
    [
      ['Info-Package', 'foo'],
      ['Content-Disposition', 'Info-Package'],
    ],
    'package',
  ],
  ['RFC 6230, RFC 6231, RFC 6505', 'INFO', [['Content-Type', 'application/msc-ivr+xml']], '<mscivr/>'],
  ['RFC 6086', 'UPDATE', [['Recv-Info', 'foo, bar']], ''],
] as const

describe('a request inside a call', () => {
  test.for(INSIDE)('%s: %s with %j, from either side', async ([, method, headers, body]) => {
    const { dialog, invite, sentAnswer } = await callBetween(caller, callee)
    const ways = [
      [caller, callee, dialog],
      [callee, caller, dialogOfCallee(invite, sentAnswer)],
    ] as const
    for (const [from, to, ofSender] of ways) {
      const sent = from.inDialog(method, ofSender, { headers, body })
      const arrived = await to.request(method)
      to.reply(arrived, 200)

      expect(statusOf(await from.response(sent))).toBe(200)
      for (const [name, value] of headers) expect(valuesOf(arrived, name)).toContain(value)
      expect(arrived.body).toBe(body)
    }
    await hangUp(dialog)
  })

  test('RFC 6086: an INFO package nobody knows: the answer 469 is the phone’s own', async () => {
    const { dialog } = await callBetween(caller, callee)
    const sent = caller.inDialog('INFO', dialog, { headers: [['Info-Package', 'unheard-of']] })
    callee.reply(await callee.request('INFO'), 469, { headers: [['Recv-Info', 'foo']] })
    const answer = await caller.response(sent)

    expect(statusOf(answer)).toBe(469)
    expect(valueOf(answer, 'recv-info')).toBe('foo')
    await hangUp(dialog)
  })

  test('RFC 4411, RFC 6432: the reasons of a BYE arrive', async () => {
    const { dialog } = await callBetween(caller, callee)
    const reasons = ['preemption;cause=1;text="UA Preemption"', 'Q.850;cause=16']
    const bye = caller.inDialog('BYE', dialog, { headers: reasons.map(value => ['Reason', value]) })
    const arrived = await callee.request('BYE')
    callee.reply(arrived, 200)
    await caller.response(bye)

    expect(valuesOf(arrived, 'reason')).toEqual(reasons)
  })
})

async function hangUp(dialog: Parameters<Phone['inDialog']>[1]): Promise<void> {
  const bye = caller.inDialog('BYE', dialog)
  callee.reply(await callee.request('BYE'), 200)
  await caller.response(bye)
}
