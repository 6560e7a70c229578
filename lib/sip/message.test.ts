import { describe, expect, test } from 'vitest'
import { H } from './header-names.ts'
import { Headers } from './headers.ts'
import { responseTo, SipRequest, SipResponse } from './message.ts'
import { parsedRequest, request } from './testing.ts'

const invite = parsedRequest(
  [
    'INVITE sip:bob@example.com SIP/2.0',
    'v: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK-top, SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-low',
    'Record-Route: <sip:p1;lr>',
    'Record-Route: <sip:p0;lr>',
    'Timestamp: 54',
    'f: "Alice" <sip:alice@example.com>;tag=a1',
    't: <sip:bob@example.com>',
    'i: call-1',
    'Subject: not copied',
    'CSeq: 7 INVITE',
    'l: 4',
    '',
    'body',
  ].join('\r\n'),
)

describe('a request', () => {
  test('knows what its headers mean', () => {
    expect(invite.topVia?.host).toBe('192.0.2.2')
    expect(invite.branch).toBe('z9hG4bK-top')
    expect(invite.cseq).toEqual({ number: 7, method: 'INVITE' })
    expect(invite.callId).toBe('call-1')
    expect(invite.from?.uri).toBe('sip:alice@example.com')
    expect(invite.to?.uri).toBe('sip:bob@example.com')
    expect([invite.fromTag, invite.toTag]).toEqual(['a1', undefined])
    expect(invite.isInitial).toBe(true)
    expect(invite.parsedUri).toMatchObject({ kind: 'sip', user: 'bob', host: 'example.com' })
    expect(invite.body).toBe('body')
  })

  test('without headers means nothing, and says so', () => {
    const empty = new SipRequest('INVITE', 'sip:a@b', Headers.none)

    expect([empty.topVia, empty.branch, empty.cseq, empty.from, empty.toTag]).toEqual(
      new Array(5).fill(undefined),
    )
    expect(empty.callId).toBe('')
  })

  test('with other headers or another URI is another message', () => {
    const other = invite.with(
      invite.headers.edit().set(H.To, '<sip:bob@example.com>;tag=b1').done(),
      'tel:+1',
    )

    expect(other.isInitial).toBe(false)
    expect(other.parsedUri?.kind).toBe('tel')
    expect(other.body).toBe('body')
    expect(invite.isInitial).toBe(true)
    expect(invite.uri).toBe('sip:bob@example.com')
  })

  test('gets a Content-Length when it has none, for the next hop may be a stream', () => {
    const bare = new SipRequest(
      'MESSAGE',
      'sip:a@b',
      Headers.none.edit().append(H['Call-ID'], '1').done(),
      'hello',
    )

    expect(bare.format()).toBe('MESSAGE sip:a@b SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 5\r\n\r\nhello')
  })
})

describe('a response (RFC 3261 §8.2.6)', () => {
  test('copies Vias, From, To, Call-ID and CSeq, as they are written', () => {
    expect(responseTo(invite, 486, { toTag: 'b1' }).format()).toBe(
      [
        'SIP/2.0 486 Busy Here',
        'v: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK-top, SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-low',
        'f: "Alice" <sip:alice@example.com>;tag=a1',
        'To: <sip:bob@example.com>;tag=b1',
        'i: call-1',
        'CSeq: 7 INVITE',
        'Content-Length: 0',
        '',
        '',
      ].join('\r\n'),
    )
  })

  test('100 copies the Timestamp and has no To tag', () => {
    const trying = responseTo(invite, 100, { toTag: 'b1' })

    expect(trying.headers.get(H.Timestamp)).toBe('54')
    expect(trying.toTag).toBeUndefined()
    expect(trying.headers.has(H['Record-Route'])).toBe(false)
  })

  test.each([180, 200])('%i, which can make a dialog, copies the Record-Routes', status => {
    expect(responseTo(invite, status).headers.list(H['Record-Route'])).toEqual(['<sip:p1;lr>', '<sip:p0;lr>'])
  })

  test('keeps the To tag of a request in a dialog', () => {
    const bye = request({ method: 'BYE' })
    const inDialog = bye.with(bye.headers.edit().set(H.To, '<sip:bob@example.com>;tag=old').done())

    expect(responseTo(inDialog, 200, { toTag: 'new' }).toTag).toBe('old')
  })

  test('takes a reason, headers and a body', () => {
    const response = responseTo(invite, 400, {
      reason: 'Bad Max-Forwards',
      edit: edit => void edit.append(H.Warning, '399 x "y"'),
      body: 'why',
    })

    expect(response.format()).toMatch(/^SIP\/2\.0 400 Bad Max-Forwards\r\n/)
    expect(response.format()).toMatch(/Warning: 399 x "y"\r\nContent-Length: 3\r\n\r\nwhy$/)
  })

  test('with other headers keeps status, reason and body', () => {
    const response = new SipResponse(299, 'Fine', invite.headers, 'b').with(Headers.none)

    expect(response.format()).toBe('SIP/2.0 299 Fine\r\nContent-Length: 1\r\n\r\nb')
  })
})
